"""A stand-in for a compiler that ends its process, sleeps, or takes all memory: ``--structured-output trap``.

A choice is the name of what happens, and where: ``exit in prepare``, ``sleep in compile``. Anything else is plain text
to say. ``sleep in fill`` begins with the second token, so that others are under way by then.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from frameworkctl.interfaces import (
    Constraint,
    GrammarCompiler,
    GrammarContext,
    Matcher,
    Register,
    StructuredOutputSpec,
    hookimpl,
)
from tokenizers import Tokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def trap(text: str, place: str) -> None:
    """Do what the text says, if it says so of this place."""
    if text == f"exit in {place}":
        os._exit(3)
    if text == f"kill in {place}":
        os.kill(os.getpid(), signal.SIGKILL)
    if text == f"sleep in {place}":
        time.sleep(600)
    if text == f"fill memory in {place}":
        import numpy as np

        taken = [np.empty(64 << 20, np.uint8) for _ in range(1000)]  # address space, which is what counts, at once
        assert taken
    if text == f"raise in {place}":
        raise ArithmeticError("a mistake")


def prepare(constraint: Constraint) -> str:
    """Write the one choice down."""
    (text,) = constraint.value
    trap(text, "prepare")
    return msgspec.json.encode(text).decode()


class TextMatcher(Matcher):
    def __init__(self, text: str, left: list[int], said: int = 0) -> None:
        self.text, self.left, self.said = text, left, said

    def accept(self, token: int) -> bool:
        fits = self.left[:1] == [token]
        self.left, self.said = self.left[1:], self.said + 1
        return fits

    @property
    def may_end(self) -> bool:
        return not self.left

    @property
    def must_end(self) -> bool:
        return not self.left

    def copy(self) -> TextMatcher:
        return TextMatcher(self.text, list(self.left), self.said)


class Trap(GrammarCompiler):
    def __init__(self, ctx: GrammarContext) -> None:
        super().__init__(ctx)
        self.tokenizer = Tokenizer.from_str(ctx.tokenizer)

    def compile(self, grammar: str) -> TextMatcher:
        text = msgspec.json.decode(grammar, type=str)
        trap(text, "compile")
        return TextMatcher(text, self.tokenizer.encode(text, add_special_tokens=False).ids)

    def fill(self, matchers: Sequence[Matcher], masks: NDArray[np.int32]) -> list[str | None]:
        masks[:] = 0
        words = masks.view("uint32")
        for row, matcher in zip(words, matchers, strict=True):
            assert isinstance(matcher, TextMatcher)
            if matcher.said:
                trap(matcher.text, "fill")
            for token in matcher.left[:1]:
                row[token // 32] |= 1 << (token % 32)
        return [None] * len(matchers)


@hookimpl
def register_structured_output(register: Register[StructuredOutputSpec]) -> None:
    register(StructuredOutputSpec(name="trap", prepare=prepare, implementation=f"{__name__}:Trap"))
