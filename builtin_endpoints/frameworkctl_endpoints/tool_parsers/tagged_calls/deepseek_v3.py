"""DeepSeek V3 and R1: type, name and JSON in a code fence, between tokens of its own."""

from __future__ import annotations

import re

from frameworkctl.interfaces import CallFormat, FunctionTool, Register, ToolParserSpec, hookimpl

from frameworkctl_endpoints.parsing.json_calls import call_arguments
from frameworkctl_endpoints.parsing.reader import Steps
from frameworkctl_endpoints.parsing.tool_text import WrappedToolParser

FIRST, LAST = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"  # noqa: RUF001
BEGIN, SEPARATOR, END = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"  # noqa: RUF001
WORD = re.compile(r"[\w.\-]*")


class DeepseekV3Parser(WrappedToolParser):
    """A call is ``function<sep>name``, a line break and the arguments in a fence."""

    first, last, opening, closing = FIRST, LAST, BEGIN, END

    def call(self) -> Steps[bool]:
        reader = self.reader
        yield from reader.run(WORD)
        if not (yield from reader.take(SEPARATOR)):
            return False
        name = yield from reader.run(WORD)
        yield from reader.spaces()
        yield from reader.take("```json", "```")
        yield from reader.spaces()
        if not name or not (yield from call_arguments(self, name)):
            return False
        yield from reader.spaces()
        yield from reader.take("```")
        return True


def call_format(tool: FunctionTool) -> CallFormat:
    begin = f"{BEGIN}function{SEPARATOR}{tool.name}\n```json\n"
    return CallFormat(begin=begin, end=f"\n```{END}", trigger=FIRST, first=FIRST, between="\n", last=LAST)


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(ToolParserSpec(name="deepseek_v3", parser=DeepseekV3Parser, special_tokens=True, call_format=call_format))
