"""The budgets that steps are planned under, and a step as it was planned."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping

import msgspec

from .plan import MorePages, MoreTokens, NewSequence, Scheduled, StepPlan
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
    """A plan and the state it was made in: what ``commit`` needs."""

    plan: StepPlan
    entries: list[tuple[Sequence, int, int]]  # sequence, tokens computed after this step, epoch


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


def make_step(
    number: int, planned: Iterable[tuple[Sequence, int]], dropped: list[int], appended: Mapping[int, array[int]]
) -> Step:
    """Return the step that computes ``count`` tokens of each ``(sequence, count)``, and mark these as sent.

    ``dropped`` are ids that the runner has to forget, ``appended`` new prompt tokens by id.
    """
    new, pages, scheduled, entries = [], [], [], []
    for seq, count in planned:
        sample = seq.computed >= seq.known and not seq.input_open
        if not seq.known_to_runner:
            new.append(announced(seq, seq.computed - count))
            seq.known_to_runner = True
        elif any(len(t) > n for t, n in zip(seq.tables, seq.sent, strict=True)):
            pages.append(MorePages(seq.id, [t[n:] for t, n in zip(seq.tables, seq.sent, strict=True)]))
        seq.sent = [len(t) for t in seq.tables]
        scheduled.append(Scheduled(seq.id, count, sample, seq.drafts[: seq.computed - seq.known] if sample else []))
        seq.pending, seq.drafts = seq.pending + sample, []
        entries.append((seq, seq.computed, seq.epoch))
    more = [MoreTokens(i, t.tobytes()) for i, t in appended.items()]
    return Step(StepPlan(number, dropped, new, more, pages, scheduled), entries)
