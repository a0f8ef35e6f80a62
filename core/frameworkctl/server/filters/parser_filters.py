"""Parsers of outputs with filters behind them: contents, reasoning, names and arguments of calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from frameworkctl.interfaces.generation.parsers import (
    CallArguments,
    CallBegin,
    ContentText,
    ReasoningParser,
    ReasoningText,
    ToolEvent,
    ToolParser,
)
from frameworkctl.interfaces.requests.filters import Guard, TextStream


class GuardedToolParser(ToolParser):
    """Content is one text, and the arguments of each call are one."""

    def __init__(self, parser: ToolParser, guard: Guard) -> None:
        self._parser, self._guard = parser, guard
        self._content = guard.stream()
        self._arguments: TextStream | None = None

    def feed(self, text: str) -> Sequence[ToolEvent]:
        return list(self._passed(self._parser.feed(text)))

    def finish(self) -> Sequence[ToolEvent]:
        events = [*self._passed(self._parser.finish()), *self._end_arguments()]
        rest = self._content.feed("", last=True)
        return [*events, ContentText(rest)] if rest else events

    def new_id(self) -> str:
        return self._parser.new_id()

    def call_id(self, name: str, number: int, written: str | None = None) -> str:
        return self._parser.call_id(name, number, written)

    def _passed(self, events: Iterable[ToolEvent]) -> Iterator[ToolEvent]:
        for event in events:
            match event:
                case ContentText(text):
                    if shown := self._content.feed(text):
                        yield ContentText(shown)
                case CallBegin(name, id_):
                    yield from self._end_arguments()
                    self._arguments = self._guard.stream()
                    yield CallBegin(self._guard.text(name), None if id_ is None else self._guard.text(id_))
                case CallArguments(text):
                    if self._arguments is not None and (shown := self._arguments.feed(text)):
                        yield CallArguments(shown)

    def _end_arguments(self) -> Iterator[ToolEvent]:
        if self._arguments is not None and (rest := self._arguments.feed("", last=True)):
            yield CallArguments(rest)
        self._arguments = None


class GuardedReasoningParser(ReasoningParser):
    """Reasoning is one text, and content is another."""

    def __init__(self, parser: ReasoningParser, guard: Guard) -> None:
        self._parser = parser
        self._reasoning, self._content = guard.stream(), guard.stream()

    def feed(self, text: str) -> Sequence[ReasoningText | ContentText]:
        return list(self._passed(self._parser.feed(text)))

    def finish(self) -> Sequence[ReasoningText | ContentText]:
        events = list(self._passed(self._parser.finish()))
        if rest := self._reasoning.feed("", last=True):
            events.append(ReasoningText(rest))
        if rest := self._content.feed("", last=True):
            events.append(ContentText(rest))
        return events

    def _passed(self, events: Iterable[ReasoningText | ContentText]) -> Iterator[ReasoningText | ContentText]:
        for event in events:
            if isinstance(event, ReasoningText):
                if shown := self._reasoning.feed(event.text):
                    yield ReasoningText(shown)
            elif shown := self._content.feed(event.text):
                yield ContentText(shown)
