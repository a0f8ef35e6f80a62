"""Granite 3: plain words, ``Here is my thought process:`` and then ``Here is my response:``."""

from __future__ import annotations

from frameworkctl.interfaces import ReasoningParserSpec, Register, hookimpl

from ..parsing.reader import Steps
from ..parsing.reasoning_text import MarkedReasoningParser


class GraniteParser(MarkedReasoningParser):
    """Both are also written with ``Here's``; an output that does not begin so has no reasoning."""

    start, end = "Here is my thought process:", "Here is my response:"
    assumed = False

    def take_start(self) -> Steps[str | None]:
        return (yield from self.reader.take(self.start, "Here's my thought process:"))

    def ends(self) -> tuple[str, ...]:
        return (self.end, "Here's my response:")


@hookimpl
def register_reasoning_parsers(register: Register[ReasoningParserSpec]) -> None:
    register(GraniteParser.spec("granite"))
