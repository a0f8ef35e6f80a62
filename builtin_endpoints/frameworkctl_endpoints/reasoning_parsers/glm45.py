"""GLM 4.5 and later: ``<think>...</think>``, or none where the request says ``enable_thinking: false``."""

from __future__ import annotations

from frameworkctl.interfaces import ReasoningParserSpec, Register, hookimpl

from .qwen3 import Qwen3Parser


@hookimpl
def register_reasoning_parsers(register: Register[ReasoningParserSpec]) -> None:
    register(Qwen3Parser.spec("glm45", "glm", "glm47"))
