"""Formats of a model of one's own: ``--plugins ./parsers.py --tool-call-parser slash --reasoning-parser aside``."""

from __future__ import annotations

import json
from collections.abc import Sequence

from frameworkctl.interfaces import (
    CallArguments,
    CallBegin,
    ContentText,
    ReasoningContext,
    ReasoningParser,
    ReasoningParserSpec,
    ReasoningText,
    Register,
    ToolEvent,
    ToolParser,
    ToolParserSpec,
    hookimpl,
)


class SlashParser(ToolParser):
    """``/weather Paris``: an output that begins with a slash is one call, and its one argument is ``text``."""

    def __init__(self) -> None:
        self.text, self.is_call = "", False

    def feed(self, text: str) -> Sequence[ToolEvent]:
        self.text += text
        self.is_call = self.text.startswith("/")
        return [] if self.is_call else [ContentText(text)]

    def finish(self) -> Sequence[ToolEvent]:
        if not self.is_call:
            return []
        name, _, rest = self.text[1:].partition(" ")
        return [CallBegin(name), CallArguments(json.dumps({"text": rest}))]


class AsideParser(ReasoningParser):
    """Everything before the first line break is reasoning."""

    def __init__(self) -> None:
        self.aside = True

    def feed(self, text: str) -> Sequence[ReasoningText | ContentText]:
        if not self.aside:
            return [ContentText(text)]
        before, found, after = text.partition("\n")
        self.aside = not found
        return [ReasoningText(before), ContentText(after)] if found else [ReasoningText(before)]

    def finish(self) -> Sequence[ReasoningText | ContentText]:
        return []


def always(context: ReasoningContext) -> bool:
    return True


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(ToolParserSpec(name="slash", parser=lambda tools: SlashParser()))


@hookimpl
def register_reasoning_parsers(register: Register[ReasoningParserSpec]) -> None:
    register(ReasoningParserSpec(name="aside", parser=lambda context: AsideParser(), end="\n", reasons=always))
