"""Llama 3 and 4: ``{"name": ..., "parameters": {...}}``, often after ``<|python_tag|>``, several with ``;`` between."""

from __future__ import annotations

import json

from frameworkctl.interfaces import CallFormat, FunctionTool, Register, ToolParserSpec, hookimpl

from frameworkctl_endpoints.parsing.json_calls import call_object
from frameworkctl_endpoints.parsing.reader import Steps
from frameworkctl_endpoints.parsing.tool_text import MarkedToolParser


class LlamaJsonParser(MarkedToolParser):
    """Without the tag, an object with a name and with arguments is a call, wherever it stands."""

    markers = ("<|python_tag|>", "{")

    def section(self, marker: str) -> Steps[bool]:
        reader = self.reader
        if marker == "{":
            reader.at -= 1
        yield from reader.spaces()
        if not (yield from call_object(self, bare=True)):
            return False
        while True:
            reader.hold()
            yield from reader.spaces()
            if not (yield from reader.take(";")):
                return False
            reader.hold()
            yield from reader.spaces()
            if not (yield from call_object(self, bare=True)):
                return False


def call_format(tool: FunctionTool) -> CallFormat:
    begin = f'{{"name": {json.dumps(tool.name)}, "parameters": '
    return CallFormat(begin=begin, end="}", trigger='{"name": ', between="; ")


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(
        ToolParserSpec(
            name="llama3_json",
            aliases=("llama4_json",),
            parser=LlamaJsonParser,
            special_tokens=True,
            call_format=call_format,
        )
    )
