"""The common part of parsers of tool calls: content around sections of calls, and what goes back to content."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from frameworkctl.interfaces import CallArguments, CallBegin, ContentText, FunctionTool, ToolEvent, ToolParser

from .reader import Reader, Steps


class TextToolParser(ToolParser):
    """Write ``parse``: a generator that reads ``self.reader`` to the end and reports by ``content``, ``begin`` and
    ``arguments``.

    White space that stands alone before a call, between calls or behind the last is nobody's.
    """

    def __init__(self, tools: Sequence[FunctionTool] = ()) -> None:
        self.tools = {tool.name: tool for tool in tools}
        self.reader = Reader()
        self.calls = 0
        self._events: list[ToolEvent] = []
        self._space: str | None = ""  # white space since the start or the last call, while there was nothing else
        self._steps = self.parse()

    @abstractmethod
    def parse(self) -> Steps[None]:
        """Read everything."""

    def feed(self, text: str) -> Sequence[ToolEvent]:
        self.reader.push(text)
        return self._advance()

    def finish(self) -> Sequence[ToolEvent]:
        self.reader.ended = True
        self._advance_to_end()
        if self._space and not self.calls:
            self._events.append(ContentText(self._space))
        return self._reported()

    def _advance(self) -> Sequence[ToolEvent]:
        next(self._steps, None)
        return self._reported()

    def _advance_to_end(self) -> None:
        for _ in self._steps:
            pass

    def _reported(self) -> Sequence[ToolEvent]:
        events, self._events = self._events, []
        return events

    # -- what parse reports

    def content(self, text: str) -> None:
        if self._space is not None:
            if text.isspace() or not text:
                self._space += text
                return
            text, self._space = self._space + text, None
        last = self._events[-1] if self._events else None
        if isinstance(last, ContentText):
            self._events[-1] = ContentText(last.text + text)
        else:
            self._events.append(ContentText(text))

    def begin(self, name: str, id: str | None = None) -> None:
        """Commit to a call: nothing that was read goes back to content."""
        self.reader.release()
        self._space = ""
        self.calls += 1
        self._events.append(CallBegin(name, id))

    def arguments(self, text: str) -> None:
        last = self._events[-1] if self._events else None
        if isinstance(last, CallArguments):
            self._events[-1] = CallArguments(last.text + text)
        elif text:
            self._events.append(CallArguments(text))


class MarkedToolParser(TextToolParser):
    """Calls stand in sections that begin with one of ``markers``; everything else is content.

    Write ``section``: it reads what follows a marker, and returns False where that turned out to be no call. Then the
    marker is content, and reading goes on behind it; so it does behind the last place where ``section`` called
    ``settled``, if calls had come before.
    """

    markers: ClassVar[tuple[str, ...]]

    @abstractmethod
    def section(self, marker: str) -> Steps[bool]:
        """Read calls."""

    def parse(self) -> Steps[None]:
        reader = self.reader
        while (marker := (yield from reader.until(*self.markers, sink=self.content))) is not None:
            reader.hold()
            reader.at += len(marker)
            calls = self.calls
            if (yield from self.section(marker)):
                reader.release()
                continue
            reader.rewind()
            if self.calls == calls:
                self.content(marker)
                reader.at += len(marker)

    def settled(self) -> None:
        """Keep what was read so far, whatever comes next."""
        self.reader.hold()


class WrappedToolParser(MarkedToolParser):
    """Each call stands between ``opening`` and ``closing``, all of them between ``first`` and ``last``; what closes may
    be missing, and so may the wrapper around all.

    Write ``call``: it reads what stands between the two, and returns False where that is no call.
    """

    first: ClassVar[str]
    last: ClassVar[str]
    opening: ClassVar[str]
    closing: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.markers = (cls.first, cls.opening)

    @abstractmethod
    def call(self) -> Steps[bool]:
        """Read and report a call."""

    def section(self, marker: str) -> Steps[bool]:
        reader = self.reader
        if marker == self.first:
            yield from reader.spaces()
            if not (yield from reader.take(self.opening)):
                return False
        while True:
            if not (yield from self.call()):
                return False
            yield from reader.spaces()
            yield from reader.take(self.closing)
            self.settled()
            yield from reader.spaces()
            found = yield from reader.take(self.opening, self.last)
            if found != self.opening:
                return found == self.last
