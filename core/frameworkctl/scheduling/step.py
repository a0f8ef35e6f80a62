"""The budgets that steps are planned under, and a step as it was planned."""

from __future__ import annotations

import msgspec

from .plan import NewSequence, StepPlan
from .sequence import Sequence


class Limits(msgspec.Struct, frozen=True):
    """The budgets of a step."""

    max_seqs: int
    max_tokens: int
    long_prefill: int = 0  # 0: no limit
    watermark: float = 0.0
    long_after: int | None = None  # tokens of a sequence, beyond which a model computes all of them another way
    whole: bool = False  # a sequence is computed in one step, or not at all


class Step(msgspec.Struct):
    """A plan and the state it was made in: what ``commit`` and ``retract`` need."""

    plan: StepPlan
    entries: list[tuple[Sequence, int, int]]  # sequence, tokens computed after this step, epoch
    sent: list[tuple[Sequence, bool, list[int]]]  # sequence, known to runner and pages sent before


def announced(seq: Sequence, computed: int) -> NewSequence:
    """Return what the runner has to know of a sequence of which ``computed`` tokens are in the cache."""
    return NewSequence(
        id=seq.id,
        tokens=seq.tokens.tobytes(),
        prompt_len=seq.prompt_len,
        computed=computed,
        tables=[table[:] for table in seq.tables],
        params=seq.params,
        seed=seq.seed,
        kept=seq.kept,
        embeds=seq.embeds,
        pool=seq.pool,
    )
