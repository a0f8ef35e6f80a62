"""Another way to constrain outputs, for choices only: ``--structured-output choices``, token by token over a text."""

from __future__ import annotations

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


def prepare(constraint: Constraint) -> str:
    """In the server: refuse what this cannot do, write down the rest."""
    if constraint.kind != "choice":
        raise ValueError("only choices are possible here")
    return msgspec.json.encode(constraint.value).decode()


class ChoiceMatcher(Matcher):
    """The choices as token ids, less what was said already."""

    def __init__(self, left: list[list[int]]) -> None:
        self.left = left

    def accept(self, token: int) -> bool:
        self.left = [ids[1:] for ids in self.left if ids and ids[0] == token]
        return bool(self.left)

    @property
    def may_end(self) -> bool:
        return [] in self.left

    @property
    def must_end(self) -> bool:
        return not any(self.left)

    def copy(self) -> ChoiceMatcher:
        return ChoiceMatcher(self.left)


class Choices(GrammarCompiler):
    """In the engine."""

    def __init__(self, ctx: GrammarContext) -> None:
        super().__init__(ctx)
        self.tokenizer = Tokenizer.from_str(ctx.tokenizer)

    def compile(self, grammar: str) -> ChoiceMatcher:
        texts = msgspec.json.decode(grammar, type=list[str])
        return ChoiceMatcher([self.tokenizer.encode(t, add_special_tokens=False).ids for t in texts])

    def fill(self, matchers: Sequence[Matcher], masks: NDArray[np.int32]) -> list[str | None]:
        masks[:] = 0
        words = masks.view("uint32")
        for row, matcher in zip(words, matchers, strict=True):
            assert isinstance(matcher, ChoiceMatcher)
            for token in {ids[0] for ids in matcher.left if ids}:
                row[token // 32] |= 1 << (token % 32)
        return [None] * len(matchers)


@hookimpl
def register_structured_output(register: Register[StructuredOutputSpec]) -> None:
    register(StructuredOutputSpec(name="choices", prepare=prepare, implementation=f"{__name__}:Choices"))
