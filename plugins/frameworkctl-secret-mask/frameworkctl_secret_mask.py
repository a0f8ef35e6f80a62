"""A guard: one word becomes ``***`` wherever a model, a prompt or a parser would show it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from frameworkctl.interfaces import (
    Call,
    OptionSpec,
    Output,
    OutputFilter,
    Register,
    RequestError,
    ServedModel,
    hookimpl,
)

OPTION = "secret_word"
MASK = "***"
HIGH, LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # halves of one character
UNIT = re.compile(rf"{HIGH}{LOW}|\\u[0-9a-fA-F]{{4}}|\\[\"\\/bfnrt]|.", re.DOTALL)
UNFINISHED = re.compile(rf"(?:{HIGH})?(?:\\(?:u[0-9a-fA-F]{{0,3}})?)?\Z")


class Mask(OutputFilter):
    """Keeps, by sequence, the end of its text that may still become the word, and how much of that has been shown."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.open: dict[tuple[int, int], tuple[str, int]] = {}

    def begin(self, item: int, index: int, context: str) -> None:
        text = context[self._open_from(context) :]
        self.open[item, index] = text, len(text)

    def process(self, output: Output) -> Output:
        key, last = (output.item, output.index), output.finish_reason is not None
        text, shown = self.open.pop(key, ("", 0))
        text += output.text
        hits = list(self._hits(text))
        done = hits[-1][1] if hits else 0
        end = len(text) if last else done + self._open_from(text[done:])
        pieces, at = [], shown
        for start, stop in hits:
            pieces += [text[at:start], MASK if stop > shown else ""]
            at = max(at, stop)
        output.text = "".join(pieces) + text[at:end]
        if not last:
            self.open[key] = text[end:], max(0, shown - end)
        return output

    def _hits(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where the word stands, in order, without overlaps."""
        found = []
        for plain, starts in readings(text):
            at = plain.find(self.word)
            while at >= 0:
                found.append((starts[at], starts[at + len(self.word)]))
                at = plain.find(self.word, at + 1)
        end = 0
        for start, stop in sorted(found):
            if start >= end:
                yield start, stop
                end = stop

    def _open_from(self, text: str) -> int:
        """Return where an end of the text that may become the word begins."""
        found, unfinished = len(text), UNFINISHED.search(text)
        for number, (plain, starts) in enumerate(readings(text)):
            known = len(plain)
            if number and unfinished is not None and unfinished.start() in starts:  # what an escape will be is open
                known = starts.index(unfinished.start())
                found = min(found, unfinished.start())
            n = next(n for n in range(len(self.word) - 1, -1, -1) if plain.endswith(self.word[:n], 0, known))
            found = min(found, starts[known - n])
        return found


def readings(text: str) -> Iterator[tuple[str, list[int]]]:
    """Yield the text as it stands and, if it has escapes, as inside of JSON: the characters, and where each is
    written.
    """
    yield text, list(range(len(text) + 1))
    if "\\" in text:
        units = [(match.group(), match.start()) for match in UNIT.finditer(text)]
        plain = [json.loads(f'"{unit}"') if len(unit) > 1 else unit for unit, _ in units]
        yield "".join(plain), [*(start for _, start in units), len(text)]


@hookimpl
def register_options(register: Register[OptionSpec]) -> None:
    register(OptionSpec(name=OPTION, default="", help="the word that no answer may contain"))


@hookimpl
def filter_output(request: Any, model: ServedModel, call: Call) -> OutputFilter:
    word = model.options[OPTION]
    if not word:
        raise RequestError("The server has no --secret-word to mask.", status=500, code="no_secret_word")
    return Mask(word)
