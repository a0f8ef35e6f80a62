"""Granite 3: ``<|tool_call|>`` or ``<tool_call>``, then ``[{"name": ..., "arguments": {...}}, ...]``."""

from __future__ import annotations

import json

from frameworkctl.interfaces import CallFormat, FunctionTool, Register, ToolParserSpec, hookimpl

from frameworkctl_endpoints.parsing.json_calls import call_list
from frameworkctl_endpoints.parsing.reader import Steps
from frameworkctl_endpoints.parsing.tool_text import MarkedToolParser


class GraniteParser(MarkedToolParser):
    """A list of calls behind a marker."""

    markers = ("<|tool_call|>", "<tool_call>")

    def section(self, marker: str) -> Steps[bool]:
        yield from self.reader.spaces()
        return (yield from call_list(self))


def call_format(tool: FunctionTool) -> CallFormat:
    begin = f'{{"name": {json.dumps(tool.name)}, "arguments": '
    trigger = "<|tool_call|>"
    return CallFormat(begin=begin, end="}", trigger=trigger, first=f"{trigger}[", between=", ", last="]")


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(ToolParserSpec(name="granite", parser=GraniteParser, special_tokens=True, call_format=call_format))
