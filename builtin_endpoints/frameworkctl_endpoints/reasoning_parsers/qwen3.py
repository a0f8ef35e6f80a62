"""Qwen 3: ``<think>...</think>``, or none where the request says ``enable_thinking: false``."""

from __future__ import annotations

from frameworkctl.interfaces import ReasoningParserSpec, Register, hookimpl

from frameworkctl_endpoints.parsing.reasoning_text import MarkedReasoningParser


class Qwen3Parser(MarkedReasoningParser):
    """Without any tag, all is reasoning: it was cut off."""

    start, end = "<think>", "</think>"


@hookimpl
def register_reasoning_parsers(register: Register[ReasoningParserSpec]) -> None:
    register(Qwen3Parser.spec("qwen3"))
