"""Gemma 4: a channel of thought, ``<|channel>thought`` and a line break, up to ``<channel|>``."""

from __future__ import annotations

from frameworkctl.interfaces import ReasoningParserSpec, Register, hookimpl

from frameworkctl_endpoints.parsing.reasoning_text import MarkedReasoningParser


class GemmaParser(MarkedReasoningParser):
    """The name of the channel is no reasoning."""

    start, end = "<|channel>", "<channel|>"
    other_starts = ("<|channel>thought\n", "<|channel>thought")
    assumed, repeat = False, True


@hookimpl
def register_reasoning_parsers(register: Register[ReasoningParserSpec]) -> None:
    register(GemmaParser.spec("gemma4", "gemma", special_tokens=True))
