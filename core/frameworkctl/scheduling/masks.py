"""The masks of a step: what may come next in sequences that are held to a grammar."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..interfaces.structured import GrammarCompiler
from .constrained import NO_TOKEN, raised
from .limits import Step
from .plan import Masks
from .sequence import Sequence


def held(step: Step) -> dict[int, Sequence]:
    """The sequences of a step that are to be sampled and are held to something now, by id."""
    found = {}
    for (seq, _, _), item in zip(step.entries, step.plan.scheduled, strict=True):
        constrained = seq.constrained if item.sample else None
        if constrained is not None and constrained.active and not seq.finished:
            found[seq.id] = seq
    return found


def step_masks(
    sequences: Iterable[Sequence], compiler: GrammarCompiler, vocab_size: int
) -> tuple[Masks | None, dict[int, str]]:
    """What may come next in sequences that are ``held``; and id -> why, for those that nothing may."""
    found = [(seq.id, seq.constrained) for seq in sequences if seq.constrained is not None]
    if not found:
        return None, {}
    bits = np.zeros((len(found), -(-vocab_size // 32)), dtype=np.int32)
    try:
        failures = compiler.fill([c.matcher for _, c in found], bits)
    except Exception as e:  # noqa: BLE001
        failures = [raised(e)] * len(found)
    words = bits.view(np.uint32)
    # An end is forbidden before min_tokens are out, unless nothing else is left.
    must_end = [not row.any() for row in words]
    lost: dict[int, str] = {}
    for i, ((id_, constrained), failure) in enumerate(zip(found, failures, strict=True)):
        ends = constrained.ends if failure is None and constrained.matcher.may_end else ()
        for token in ends:
            if token < vocab_size:
                words[i, token // 32] |= np.uint32(1 << (token % 32))
        if failure is not None or (must_end[i] and not ends):
            lost[id_] = failure or NO_TOKEN
            bits[i] = -1  # so that there is something to sample
    return Masks([id_ for id_, _ in found], bits, must_end), lost
