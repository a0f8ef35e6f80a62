"""DeepSeek R1: ``<think>...</think>``, where the first tag is often the prompt's."""

from __future__ import annotations

from frameworkctl.interfaces import ReasoningParserSpec, Register, hookimpl

from ..parsing.reasoning_text import MarkedReasoningParser


class DeepseekR1Parser(MarkedReasoningParser):
    """Without any tag, all is reasoning: it was cut off."""

    start, end = "<think>", "</think>"


@hookimpl
def register_reasoning_parsers(register: Register[ReasoningParserSpec]) -> None:
    parser = DeepseekR1Parser
    register(ReasoningParserSpec(name="deepseek_r1", parser=parser, end=parser.end, reasons=parser.reasons))
