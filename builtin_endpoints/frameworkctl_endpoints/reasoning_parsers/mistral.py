"""Mistral's reasoning models: ``[THINK]...[/THINK]``."""

from __future__ import annotations

from frameworkctl.interfaces import ReasoningParserSpec, Register, hookimpl

from frameworkctl_endpoints.parsing.reasoning_text import MarkedReasoningParser


class MistralParser(MarkedReasoningParser):
    """The model writes both markers, or answers without reasoning."""

    start, end = "[THINK]", "[/THINK]"
    assumed, repeat = False, True


@hookimpl
def register_reasoning_parsers(register: Register[ReasoningParserSpec]) -> None:
    register(MistralParser.spec("mistral", special_tokens=True))
