"""Sequences that are held to a grammar: where each stands, and the masks of a step."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from ..interfaces.structured import GrammarCompiler, Matcher
from ..params import SamplingParams
from .plan import Masks

if TYPE_CHECKING:
    from .scheduler import Step
    from .sequence import Sequence

log = logging.getLogger("frameworkctl.engine")

NO_TOKEN = "the grammar and the other fields of the request leave no token to go on with"


class Constrained:
    """A matcher that goes along with a sequence's output, from the token on at which the constraint begins.

    It belongs to the sequence, not to a row of the batch: preemption does not touch it.
    """

    __slots__ = ("_after", "_recent", "active", "ends", "matcher")

    def __init__(self, matcher: Matcher, params: SamplingParams) -> None:
        assert params.grammar is not None
        self.matcher = matcher
        self._after = params.grammar.after
        self._recent: deque[int] = deque(maxlen=len(self._after))
        self.active = not self._after
        eos = () if params.ignore_eos else params.eos_token_ids
        self.ends = tuple({i for i in (*eos, *params.stop_token_ids) if i >= 0})

    def advance(self, token: int) -> str | None:
        """Go on by a sampled token that ended nothing; returns why the request has to end, if it has to."""
        if self.active:
            try:
                return None if self.matcher.accept(token) else NO_TOKEN
            except Exception as e:  # noqa: BLE001
                return _raised(e)
        self._recent.append(token)
        self.active = tuple(self._recent) == self._after
        return None

    @property
    def over(self) -> bool:
        """The output is complete, nothing can follow, and there is no token that would say so."""
        return self.active and not self.ends and self.matcher.must_end


def _raised(error: Exception) -> str:
    """A matcher's mistake ends the requests that it is for, nobody else's."""
    log.error("a matcher failed", exc_info=error)
    return f"structured output failed: {type(error).__name__}: {error}"


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
        failures = [_raised(e)] * len(found)
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
