"""Llama 3.2 and others: an output that is a Python list of calls, ``[f(a=1), g(b="x")]``."""

from __future__ import annotations

from typing import ClassVar

from frameworkctl.interfaces import Register, ToolParserSpec, hookimpl

from ..parsing.python_calls import call_list
from ..parsing.reader import Steps
from ..parsing.tool_text import MarkedToolParser


class PythonicParser(MarkedToolParser):
    """Without a marker, the list must come first: lists of calls within text are code."""

    markers: ClassVar[tuple[str, ...]] = ("<|python_tag|>",)
    end: ClassVar[str] = "<|eom_id|>"

    def parse(self) -> Steps[None]:
        reader = self.reader
        self.content((yield from reader.spaces()))
        if (yield from reader.ahead(1)) == "[":
            reader.hold()
            yield from self.section("")
            reader.rewind()
        yield from super().parse()

    def section(self, marker: str) -> Steps[bool]:
        yield from self.reader.spaces()
        if not (yield from call_list(self)):
            return False
        self.reader.release()
        yield from self.reader.take(self.end)
        return True


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(ToolParserSpec(name="pythonic", parser=PythonicParser, special_tokens=True))
