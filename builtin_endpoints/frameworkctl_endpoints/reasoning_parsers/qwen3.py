"""Qwen 3: ``<think>...</think>``, or none where the request says ``enable_thinking: false``."""

from __future__ import annotations

from frameworkctl.interfaces import ReasoningParserSpec, Register, hookimpl

from ..parsing.reasoning_text import MarkedReasoningParser


class Qwen3Parser(MarkedReasoningParser):
    """A tool call ends the reasoning too."""

    start, end = "<think>", "</think>"
    breaks = ("<tool_call>",)


@hookimpl
def register_reasoning_parsers(register: Register[ReasoningParserSpec]) -> None:
    parser = Qwen3Parser
    register(ReasoningParserSpec(name="qwen3", parser=parser, end=parser.end, reasons=parser.reasons))
