"""Mistral: ``[TOOL_CALLS]``, then a list of objects, or (newer) ``name[ARGS]{...}`` with the marker before each."""

from __future__ import annotations

import re
import secrets
import string

from frameworkctl.interfaces import CallFormat, FunctionTool, Register, ToolParserSpec, hookimpl

from frameworkctl_endpoints.parsing.json_calls import call_arguments, call_list, call_object
from frameworkctl_endpoints.parsing.reader import Steps
from frameworkctl_endpoints.parsing.tool_text import MarkedToolParser

_NAME = re.compile(r"[\w.\-]*")
_ALPHANUMERIC = string.ascii_letters + string.digits


class MistralParser(MarkedToolParser):
    """``[ARGS]`` may be missing, and ``[CALL_ID]id`` may stand before it."""

    markers = ("[TOOL_CALLS]",)

    def new_id(self) -> str:
        return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(9))

    def section(self, marker: str) -> Steps[bool]:
        reader = self.reader
        yield from reader.spaces()
        first = yield from reader.ahead(1)
        if first == "[":
            return (yield from call_list(self))
        if first == "{":
            return (yield from call_object(self))
        name = yield from reader.run(_NAME)
        call_id = None
        if (yield from reader.take("[CALL_ID]")):
            call_id = yield from reader.run(_NAME)
        yield from reader.take("[ARGS]")
        yield from reader.spaces()
        return bool(name) and (yield from call_arguments(self, name, call_id or None))


def call_format(tool: FunctionTool) -> CallFormat:
    return CallFormat(begin=f"[TOOL_CALLS]{tool.name}[ARGS]", end="", trigger="[TOOL_CALLS]")


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(ToolParserSpec(name="mistral", parser=MistralParser, special_tokens=True, call_format=call_format))
