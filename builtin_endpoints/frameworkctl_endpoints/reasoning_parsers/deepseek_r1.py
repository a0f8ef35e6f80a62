"""DeepSeek R1: ``<think>...</think>``, where the first tag is often the prompt's."""

from __future__ import annotations

from frameworkctl.interfaces import ReasoningParserSpec, Register, hookimpl

from frameworkctl_endpoints.parsing.reasoning_text import MarkedReasoningParser


class DeepseekR1Parser(MarkedReasoningParser):
    """Without any tag, all is reasoning: it was cut off."""

    start, end = "<think>", "</think>"


@hookimpl
def register_reasoning_parsers(register: Register[ReasoningParserSpec]) -> None:
    register(DeepseekR1Parser.spec("deepseek_r1"))
