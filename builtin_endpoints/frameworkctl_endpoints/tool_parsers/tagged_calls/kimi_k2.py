"""Kimi K2: ``functions.name:0`` and JSON, between tokens of its own; that is also the id of the call."""

from __future__ import annotations

import re

from frameworkctl.interfaces import CallFormat, FunctionTool, Register, ToolParserSpec, hookimpl

from frameworkctl_endpoints.parsing.json_calls import call_arguments
from frameworkctl_endpoints.parsing.reader import Steps
from frameworkctl_endpoints.parsing.tool_text import WrappedToolParser

FIRST, LAST = "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"
BEGIN, ARGUMENTS, END = "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"
_ID = re.compile(r"[\w.:\-]*")


class KimiParser(WrappedToolParser):
    """A call is its id, which has the name of the function in it, and arguments."""

    first, last, opening, closing = FIRST, LAST, BEGIN, END

    def call_id(self, name: str, number: int, written: str | None = None) -> str:
        """Number calls through the conversation. A grammar, or a model that forgets, writes smaller numbers."""
        own = (written or "").rpartition(":")[2]
        return written if written and own.isdecimal() and int(own) >= number else f"functions.{name}:{number}"

    def call(self) -> Steps[bool]:
        reader = self.reader
        yield from reader.spaces()
        call_id = yield from reader.run(_ID)
        yield from reader.spaces()
        if not name_of(call_id) or not (yield from reader.take(ARGUMENTS)):
            return False
        yield from reader.spaces()
        return (yield from call_arguments(self, name_of(call_id), call_id))


def name_of(call_id: str) -> str:
    """Return ``functions.get_weather:0`` -> ``get_weather``."""
    return call_id.partition(":")[0].removeprefix("functions.")


def call_format(tool: FunctionTool) -> CallFormat:
    begin = f"{BEGIN}functions.{tool.name}:0{ARGUMENTS}"
    return CallFormat(begin=begin, end=END, trigger=FIRST, first=FIRST, last=LAST)


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(
        ToolParserSpec(
            name="kimi_k2", aliases=("kimi",), parser=KimiParser, special_tokens=True, call_format=call_format
        )
    )
