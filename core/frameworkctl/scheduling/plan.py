"""Plan of a step, from the scheduler to the runner: changes only, no tensors; every rank gets the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from frameworkctl.interfaces.pooling import PoolParams
from frameworkctl.params import SamplingParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NewSequence(msgspec.Struct, array_like=True, frozen=True):
    """A sequence that enters the batch. ``tokens`` are int32 bytes of all known ones; ``computed`` are in its pages.

    The first ``kept[g]`` pages of group g hold content that is to be read; the others are new to it.
    """

    id: int
    tokens: bytes
    prompt_len: int
    computed: int
    tables: list[list[int]]
    params: SamplingParams
    seed: int
    kept: list[int]
    embeds: bytes | None = None  # rows in the model's type, for the tokens that are -1
    pool: PoolParams | None = None


class MorePages(msgspec.Struct, array_like=True, frozen=True):
    """Pages appended to a sequence's tables, one list per group."""

    id: int
    tables: list[list[int]]


class MoreTokens(msgspec.Struct, array_like=True, frozen=True):
    """Prompt tokens (int32 bytes) that a session has received since."""

    id: int
    tokens: bytes


class Scheduled(msgspec.Struct, array_like=True, frozen=True):
    """``count`` tokens of a sequence are computed; with ``sample`` the last one's logits give a new token, or its text
    ends, where it is pooled. The last of them are ``drafts``, guesses that each give a token of their own to verify.
    """

    id: int
    count: int
    sample: bool
    drafts: list[int] = []


class StepPlan(msgspec.Struct, array_like=True, frozen=True):
    """One step. Applied in the order of its fields."""

    step: int
    dropped: list[int]
    new: list[NewSequence]
    tokens: list[MoreTokens]
    pages: list[MorePages]
    scheduled: list[Scheduled]


class Masks(msgspec.Struct, frozen=True):
    """Masks of the tokens that may come next in sequences with a grammar.

    ``bits [len(ids), ceil(vocab_size / 32)]``: bit b of word w is 1 where token ``32 w + b`` may. ``must_end``: nothing
    but an end may, even where ``min_tokens`` are not out.
    """

    ids: list[int]
    bits: NDArray[np.int32]
    must_end: list[bool]


class PromptScores(msgspec.Struct, array_like=True, frozen=True):
    """Raw logprobs of prompt tokens ``start`` to ``start + count - 1``, each given those before it.

    Packed: ``own`` float32 and ``ranks`` int32 (1: most likely) per token; ``ids`` int32 and ``values`` float32 of the
    ``width`` most likely ones at its place, best first.
    """

    start: int
    count: int
    width: int
    own: bytes
    ranks: bytes
    ids: bytes
    values: bytes


class Vectors(msgspec.Struct, array_like=True, frozen=True):
    """Vectors that a text was pooled to: float32, row by row; ``rows`` is None where the task gives one vector."""

    data: bytes
    width: int
    rows: int | None = None


NO_TOKEN = "no token can come next: the request's constraints and processors forbid all of them"


class Sampled(msgspec.Struct, array_like=True, frozen=True):
    """Result of one sequence: a token, the reason why not (``error``, and the plugin at fault), scores of its prompt;
    where it is pooled, its vectors; where drafts were right, ``more`` tokens after the first.
    """

    id: int
    token: int | None
    logprobs: tuple[float, list[int], list[float]] | None = None  # of the token; ids and logprobs of the top ones
    error: str | None = None
    scores: PromptScores | None = None
    vectors: Vectors | None = None
    more: list[int] = []
