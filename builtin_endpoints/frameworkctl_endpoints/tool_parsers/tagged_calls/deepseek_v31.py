"""DeepSeek V3.1: the tokens of V3 around ``name<sep>{...}``, without type and fence."""

from __future__ import annotations

from frameworkctl.interfaces import CallFormat, FunctionTool, Register, ToolParserSpec, hookimpl

from frameworkctl_endpoints.parsing.json_calls import call_arguments
from frameworkctl_endpoints.parsing.reader import Steps

from .deepseek_v3 import BEGIN, END, FIRST, LAST, SEPARATOR, WORD, DeepseekV3Parser


class DeepseekV31Parser(DeepseekV3Parser):
    """Only the call itself is written in another way."""

    def call(self) -> Steps[bool]:
        reader = self.reader
        name = yield from reader.run(WORD)
        if not name or not (yield from reader.take(SEPARATOR)):
            return False
        yield from reader.spaces()
        return (yield from call_arguments(self, name))


def call_format(tool: FunctionTool) -> CallFormat:
    begin = f"{BEGIN}{tool.name}{SEPARATOR}"
    return CallFormat(begin=begin, end=END, trigger=FIRST, first=FIRST, last=LAST)


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(
        ToolParserSpec(name="deepseek_v31", parser=DeepseekV31Parser, special_tokens=True, call_format=call_format)
    )
