"""Finds where the answer begins in an output that may begin with reasoning."""

from __future__ import annotations

from collections.abc import Sequence


class AnswerStart:
    """Reads an output piece by piece, by its text: a model may write a marker in other tokens than a tokenizer would.

    Reasoning ends with one of ``ends``. An output that does not begin with one of ``openings``, white space aside, has
    no reasoning; without ``openings`` it begins inside reasoning.
    """

    __slots__ = ("_ends", "_kept", "_openings", "_tail", "passed", "undecided")

    def __init__(self, openings: Sequence[str], ends: Sequence[str]) -> None:
        self._openings, self._ends = tuple(openings), tuple(ends)
        self._kept = max(map(len, ends)) - 1  # characters in which an end may have begun
        self._tail = ""
        self.passed = False  # the answer has begun
        self.undecided = ""  # text that may still become an opening

    @property
    def reasoning(self) -> bool:
        """Return whether the output is inside reasoning now."""
        return not (self.passed or self._openings)

    def split(self, delta: str) -> tuple[str, str]:
        """Return the next text as the part that is reasoning and the part that is answer, while not ``passed``."""
        opening = ""
        if self._openings:
            delta, self.undecided = self.undecided + delta, ""
            begun = delta.lstrip()
            found = next((o for o in self._openings if begun.startswith(o)), None)
            if found is None and any(o.startswith(begun) for o in self._openings):
                self.undecided = delta
                return "", ""
            if found is None:
                self.passed = True
                return "", delta
            opening = delta[: len(delta) - len(begun) + len(found)]
            self._openings = ()
        text = self._tail + delta[len(opening) :]
        places = [(at, -len(end)) for end in self._ends if (at := text.find(end)) >= 0]
        if not places:
            self._tail = text[-self._kept :] if self._kept else ""
            return delta, ""
        at, length = min(places)
        self.passed = True
        answer = text[at - length :]
        return delta[: len(delta) - len(answer)], answer

    def missing(self) -> set[str]:
        """Return the texts each of which would end the reasoning if it came next."""
        return {end[n:] for end in self._ends for n in range(len(end)) if self._tail.endswith(end[:n])}
