"""Hermes, Qwen 2.5 and 3: ``<tool_call>{"name": ..., "arguments": {...}}</tool_call>``, repeated."""

from __future__ import annotations

import json

from frameworkctl.interfaces import CallFormat, FunctionTool, Register, ToolParserSpec, hookimpl

from frameworkctl_endpoints.parsing.json_calls import call_object
from frameworkctl_endpoints.parsing.reader import Steps
from frameworkctl_endpoints.parsing.tool_text import MarkedToolParser


class HermesParser(MarkedToolParser):
    """Several objects in one pair of tags are several calls; a closing tag may be missing."""

    markers = ("<tool_call>",)

    def section(self, marker: str) -> Steps[bool]:
        reader = self.reader
        yield from reader.spaces()
        if not (yield from call_object(self)):
            return False
        while True:
            reader.hold()
            yield from reader.spaces()
            if (yield from reader.take("</tool_call>")):
                return True
            if not (yield from call_object(self)):
                return False


def call_format(tool: FunctionTool) -> CallFormat:
    begin = f'<tool_call>\n{{"name": {json.dumps(tool.name)}, "arguments": '
    return CallFormat(begin=begin, end="}\n</tool_call>", trigger="<tool_call>", between="\n")


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(
        ToolParserSpec(
            name="hermes",
            aliases=("qwen3_json", "granite4"),
            parser=HermesParser,
            special_tokens=True,
            call_format=call_format,
        )
    )
