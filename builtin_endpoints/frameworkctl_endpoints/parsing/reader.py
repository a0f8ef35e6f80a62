"""Text that comes in pieces, read as if it were there at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]  # yields where it needs more text
Sink = Callable[[str], None]

_SPACE = re.compile(r"\s*")


class Reader:
    """A parser is a generator that reads with ``yield from``; it rests at a ``yield`` until there is more text.

    Whatever a method returns, consumes and passes on depends on the text alone, not on where it was cut; so a parser
    that looks at the text through these methods only gives the same for every cut. ``text[at:]`` is what has come and
    is not read yet.
    """

    def __init__(self) -> None:
        self.text = ""
        self.at = 0
        self.ended = False
        self._held: int | None = None

    def push(self, text: str) -> None:
        """Append text. Forget what was read, except what may be read again."""
        start = self.at if self._held is None else self._held
        if start:
            self.text = self.text[start:]
            self.at -= start
            self._held = None if self._held is None else 0
        self.text += text

    def hold(self) -> None:
        """Remember this place, to ``rewind`` to it."""
        self._held = self.at

    def rewind(self) -> None:
        """Go back to where ``hold`` was called, unless ``release`` was called since."""
        if self._held is not None:
            self.at, self._held = self._held, None

    def release(self) -> None:
        """Give up the place of ``hold``."""
        self._held = None

    def more(self) -> Steps[bool]:
        """Wait for more text; False at the end of it all."""
        if self.ended:
            return False
        yield
        return not self.ended

    # -- looking

    def ahead(self, count: int) -> Steps[str]:
        """Return the next ``count`` characters, fewer only at the end; they stay unread."""
        while len(self.text) - self.at < count and (yield from self.more()):
            pass
        return self.text[self.at : self.at + count]

    def solid(self, offset: int = 0) -> Steps[str]:
        """Return the first character from ``offset`` on that is no white space, "" at the end; nothing is read."""
        while True:
            place = _end(_SPACE, self.text, self.at + offset)
            if place < len(self.text):
                return self.text[place]
            offset = max(offset, place - self.at)
            if not (yield from self.more()):
                return ""

    # -- reading

    def take(self, *options: str) -> Steps[str | None]:
        """Read the longest of ``options`` that comes next; None, and nothing is read, where none does."""
        longest = max(map(len, options))
        while True:
            rest = self.text[self.at : self.at + longest]
            if self.ended or not any(len(o) > len(rest) and o.startswith(rest) for o in options):
                break
            yield from self.more()
        found = max((o for o in options if rest.startswith(o)), key=len, default=None)
        self.at += len(found or "")
        return found

    def spaces(self) -> Steps[str]:
        """Read white space."""
        return (yield from self.run(_SPACE))

    def run(self, pattern: re.Pattern[str]) -> Steps[str]:
        """Read as far as a pattern for a run of characters goes (``[a-z]*``)."""
        while (end := _end(pattern, self.text, self.at)) == len(self.text) and (yield from self.more()):
            pass
        found, self.at = self.text[self.at : end], end
        return found

    def until(self, *markers: str, sink: Sink) -> Steps[str | None]:
        """Pass text on to ``sink`` up to the first of ``markers``, which is returned and not read; None at the end.

        Where several begin at the same place, the longest counts.
        """
        pattern = _any_of(markers)
        while True:
            found = pattern.search(self.text, self.at)
            stop = self._may_become(markers)
            if found and (self.ended or found.start() < stop):
                self._pass(found.start(), sink)
                return found[0]
            self._pass(len(self.text) if self.ended else stop, sink)
            if self.ended:
                return None
            yield from self.more()

    def rest(self, *, sink: Sink) -> Steps[None]:
        """Pass everything on, to the end."""
        while True:
            self._pass(len(self.text), sink)
            if not (yield from self.more()):
                return

    def _may_become(self, markers: tuple[str, ...]) -> int:
        """Return where the text could begin a marker that is longer than the text."""
        starts = _beginnings(markers)
        if not self.text.endswith(starts):
            return len(self.text)
        return next(
            (p for s in starts if (p := len(self.text) - len(s)) >= self.at and self.text.endswith(s)), len(self.text)
        )

    def _pass(self, end: int, sink: Sink) -> None:
        if end > self.at:
            sink(self.text[self.at : end])
            self.at = end


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return start if match is None else match.end()


@lru_cache(maxsize=256)
def _beginnings(markers: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a text may end with that could still become a marker, the longest first."""
    return tuple(sorted({m[:n] for m in markers for n in range(1, len(m))}, key=len, reverse=True))


@lru_cache(maxsize=256)
def _any_of(markers: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(m) for m in sorted(markers, key=len, reverse=True)))
