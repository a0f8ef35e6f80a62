"""Stop strings: finds them in text that arrives in pieces, and holds back no more than could still become one."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from frameworkctl.answer_start import AnswerStart

if TYPE_CHECKING:
    from collections.abc import Sequence


class StopChecker:
    """Watches the text of one sequence; the time it takes is linear in the text, whatever the stop strings are.

    ``stop`` are the strings, none of them empty. The match that is complete first wins, of several the first listed.
    With ``include_in_output`` the text ends behind the match instead of before it, and nothing is ever held back.
    Matches that are complete within the first ``min_tokens`` tokens do not count. Raises ``ValueError`` for an empty
    string. ``after`` and ``openings`` are the ends and openings of ``AnswerStart``: reasoning is passed on as it is.
    """

    __slots__ = ("_firsts", "_gate", "_held", "_include", "_matched", "_min_tokens", "_needles", "_partial", "_text")

    def __init__(
        self,
        stop: Sequence[str],
        *,
        include_in_output: bool = False,
        min_tokens: int = 0,
        after: Sequence[str] = (),
        openings: Sequence[str] = (),
    ) -> None:
        self._gate = AnswerStart(openings, after) if stop and after else None
        if not all(stop):
            raise ValueError("a stop string may not be empty")
        self._needles = [_Needle(word) for word in stop]
        self._firsts = {word[0] for word in stop}
        self._partial = False  # whether the text ends with a beginning of a stop string
        self._include = include_in_output
        self._min_tokens = min_tokens
        self._matched: str | None = None
        self._text = _Pieces()
        self._held = 0

    def push(self, delta: str, tokens: int) -> tuple[str, str | None]:
        """Take the text of a step, with the number of tokens so far, those of this step included.

        Returns the text that may be emitted now and, if this step completed a stop string, that string. All that
        comes after a match is dropped. A step whose tokens lie on both sides of ``min_tokens`` has to be pushed in
        two parts.
        """
        if self._gate is None:
            return self._push(delta, tokens)
        reasoning, answer = self._gate.split(delta)
        if self._gate.passed:
            self._gate = None
        text, matched = self._push(answer, tokens)
        return reasoning + text, matched

    def _push(self, delta: str, tokens: int) -> tuple[str, str | None]:
        if not self._needles:
            return delta, None
        if self._matched is not None:
            return "", self._matched
        if not self._partial:
            for first in self._firsts:
                if first in delta:
                    break
            else:
                return delta, None
        end, winner = len(delta), None
        counts = tokens > self._min_tokens
        for needle in self._needles:
            # Only an earlier end can beat the winner, so the others need not look any further
            found = needle.advance(delta, end - 1 if winner else end, counts)
            if found:
                end, winner = found, needle
        if winner is not None:
            return self._finish(delta[:end], winner.word)
        held = max(needle.depth for needle in self._needles)
        self._partial = held > 0
        if self._include or not (held or self._held):
            return delta, None
        self._text.append(delta)
        ready, self._held = self._held + len(delta) - held, held
        return self._text.take(ready), None

    def flush(self) -> str:
        """Return the text still held back: the sequence has ended, nothing can complete it any more."""
        undecided = "" if self._gate is None else self._gate.undecided
        self._gate = None
        held, self._held, self._partial = self._held, 0, False
        for needle in self._needles:
            needle.depth = 0
        return undecided + self._text.take(held)

    def _finish(self, delta: str, word: str) -> tuple[str, str]:
        self._matched = word
        if self._include:
            return delta, word
        self._text.append(delta)
        text = self._text.take(self._held + len(delta) - len(word))
        self._text, self._held = _Pieces(), 0
        return text, word


class _Needle:
    """One stop string and how many of its first characters the text so far ends with (Knuth, Morris, Pratt)."""

    __slots__ = ("_borders", "depth", "word")

    def __init__(self, word: str) -> None:
        self.word = word
        self.depth = 0
        self._borders = [0]  # grows as far as the text has ever matched, so a long word costs nothing by itself

    def advance(self, text: str, limit: int, counts: bool) -> int:
        """Read ``text[:limit]``; returns where the first match that counts ends, 0 if there is none."""
        word, depth, at = self.word, self.depth, 0
        while at < limit:
            if depth == 0:
                at = text.find(word[0], at, limit)
                if at < 0:
                    break
            elif word[depth] != text[at]:
                depth = self._border(depth)
                continue
            at += 1
            depth += 1
            if depth == len(word):
                if counts:
                    return at
                depth = self._border(depth)
        self.depth = depth
        return 0

    def _border(self, depth: int) -> int:
        """Return the length of the longest text that both begins and ends ``word[:depth]``, itself excluded."""
        word, borders = self.word, self._borders
        while len(borders) < depth:
            size, length = len(borders), borders[-1]
            while length and word[length] != word[size]:
                length = borders[length - 1]
            borders.append(length + 1 if word[length] == word[size] else 0)
        return borders[depth - 1]


class _Pieces:
    """Text appended in pieces and taken off the front, each character copied once."""

    __slots__ = ("_offset", "_pieces")

    def __init__(self) -> None:
        self._pieces: deque[str] = deque()
        self._offset = 0

    def append(self, piece: str) -> None:
        if piece:
            self._pieces.append(piece)

    def take(self, count: int) -> str:
        """Return the first ``count`` characters, which must be there."""
        taken = []
        while count:
            piece = self._pieces[0]
            rest = len(piece) - self._offset
            if rest > count:
                taken.append(piece[self._offset : self._offset + count])
                self._offset += count
                break
            taken.append(piece[self._offset :])
            self._pieces.popleft()
            self._offset, count = 0, count - rest
        return "".join(taken)
