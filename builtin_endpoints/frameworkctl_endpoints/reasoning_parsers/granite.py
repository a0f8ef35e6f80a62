"""Granite 3: plain words, ``Here is my thought process:`` and then ``Here is my response:``."""

from __future__ import annotations

from frameworkctl.interfaces import ReasoningParserSpec, Register, hookimpl

from frameworkctl_endpoints.parsing.reasoning_text import MarkedReasoningParser


class GraniteParser(MarkedReasoningParser):
    """Both are also written with ``Here's``; an output that does not begin so has no reasoning."""

    start, end = "Here is my thought process:", "Here is my response:"
    other_starts, other_ends = ("Here's my thought process:",), ("Here's my response:",)
    assumed = False


@hookimpl
def register_reasoning_parsers(register: Register[ReasoningParserSpec]) -> None:
    register(GraniteParser.spec("granite"))
