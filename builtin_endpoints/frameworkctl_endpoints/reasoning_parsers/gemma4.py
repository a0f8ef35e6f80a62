"""Gemma 4: a channel of thought, ``<|channel>thought`` and a line break, up to ``<channel|>``."""

from __future__ import annotations

from frameworkctl.interfaces import ReasoningParserSpec, Register, hookimpl

from ..parsing.reader import Steps
from ..parsing.reasoning_text import MarkedReasoningParser


class GemmaParser(MarkedReasoningParser):
    """The name of the channel is no reasoning."""

    start, end = "<|channel>", "<channel|>"
    assumed, repeat = False, True

    def take_start(self) -> Steps[str | None]:
        found = yield from super().take_start()
        if found:
            yield from self.reader.take("thought\n", "thought")
        return found


@hookimpl
def register_reasoning_parsers(register: Register[ReasoningParserSpec]) -> None:
    register(GemmaParser.spec("gemma4", "gemma", special_tokens=True))
