"""GLM 4.5 and later: ``<think>...</think>``, or none where the request says ``enable_thinking: false``."""

from __future__ import annotations

from frameworkctl.interfaces import ReasoningParserSpec, Register, hookimpl

from .qwen3 import Qwen3Parser


@hookimpl
def register_reasoning_parsers(register: Register[ReasoningParserSpec]) -> None:
    parser = Qwen3Parser
    register(
        ReasoningParserSpec(
            name="glm45", aliases=("glm", "glm47"), parser=parser, end=parser.end, reasons=parser.reasons
        )
    )
