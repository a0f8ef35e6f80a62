"""DeepSeek V3 and R1: type, name and JSON in a code fence, between tokens of its own."""

from __future__ import annotations

import re

from frameworkctl.interfaces import CallFormat, FunctionTool, Register, ToolParserSpec, hookimpl

from ..parsing.json_calls import call_arguments
from ..parsing.reader import Steps
from ..parsing.tool_text import MarkedToolParser

FIRST, LAST = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"  # noqa: RUF001
BEGIN, SEPARATOR, END = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"  # noqa: RUF001
WORD = re.compile(r"[\w.\-]*")


class DeepseekV3Parser(MarkedToolParser):
    """The wrapper around all calls may be missing."""

    markers = (FIRST, BEGIN)

    def section(self, marker: str) -> Steps[bool]:
        reader = self.reader
        if marker == FIRST:
            yield from reader.spaces()
            if not (yield from reader.take(BEGIN)):
                return False
        while True:
            if not (yield from self.call()):
                return False
            yield from reader.spaces()
            yield from reader.take(END)
            reader.hold()
            yield from reader.spaces()
            found = yield from reader.take(BEGIN, LAST)
            if found != BEGIN:
                return found == LAST

    def call(self) -> Steps[bool]:
        """Read ``function<sep>name``, a line break and the arguments in a fence."""
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
