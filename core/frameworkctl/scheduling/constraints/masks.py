"""The masks of a step: what may come next in sequences that a grammar constrains."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Items
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from frameworkctl.interfaces.generation.structured import Matcher
from frameworkctl.scheduling.plan import Masks
from frameworkctl.scheduling.sequence import Sequence
from frameworkctl.scheduling.step import Step

from .states import NO_TOKEN, Constrained, raised

Words = NDArray[np.uint32]


class FillsMasks(Protocol):
    """A ``GrammarCompiler``, or what stands in front of one."""

    def fill(self, matchers: Items[Matcher], masks: NDArray[np.int32]) -> list[str | None]: ...


def held(step: Step) -> dict[int, Sequence]:
    """Return the sequences of a step that are sampled and constrained, by id."""
    found = {}
    for (seq, _, _), item in zip(step.entries, step.plan.scheduled, strict=True):
        if item.sample and seq.constrained is not None and not seq.finished:
            found[seq.id] = seq
    return found


def step_masks(
    sequences: Iterable[Sequence], compiler: FillsMasks, vocab_size: int
) -> tuple[Masks | None, dict[int, str]]:
    """Return what may come next in sequences that are ``held``, and id -> why for those in which nothing may."""
    found = [(seq.id, seq.constrained) for seq in sequences if seq.constrained is not None]
    if not found:
        return None, {}
    bits = np.zeros((len(found), -(-vocab_size // 32)), dtype=np.int32)
    failures = _fill([c for _, c in found], compiler, bits)
    words = bits.view(np.uint32)
    must_end = [False] * len(found)
    lost: dict[int, str] = {}
    for i, ((id_, constrained), failure) in enumerate(zip(found, failures, strict=True)):
        row = words[i]
        if constrained.state == "waiting":
            row[:] = 0xFFFFFFFF
            _clear(row, [*constrained.ends, *constrained.beyond()])
            continue
        # An end is forbidden before min_tokens are out, unless nothing else is left.
        ends = constrained.ends if constrained.matches and failure is None and constrained.matcher.may_end else ()
        must_end[i] = bool(ends) and not row.any()
        _set(row, [*ends, *constrained.opening()])
        if failure is not None or not row.any():
            lost[id_] = failure or NO_TOKEN
            bits[i] = -1  # so that there is something to sample
    return Masks([id_ for id_, _ in found], bits, must_end), lost


def _fill(found: Items[Constrained], compiler: FillsMasks, bits: NDArray[np.int32]) -> list[str | None]:
    """Write the rows of those whose grammar has a say; return per sequence why its matcher failed."""
    places = [i for i, constrained in enumerate(found) if constrained.matches]
    failures: list[str | None] = [None] * len(found)
    if not places:
        return failures
    rows = bits if len(places) == len(found) else np.zeros((len(places), bits.shape[1]), dtype=np.int32)
    try:
        failed = compiler.fill([found[i].matcher for i in places], rows)
    except Exception as e:  # noqa: BLE001
        failed = [raised(e)] * len(places)
    if rows is not bits:
        bits[places] = rows
    for place, failure in zip(places, failed, strict=True):
        failures[place] = failure
    return failures


def _set(row: Words, tokens: Items[int]) -> None:
    for token in tokens:
        if token // 32 < len(row):
            row[token // 32] |= np.uint32(1 << (token % 32))


def _clear(row: Words, tokens: Items[int]) -> None:
    for token in tokens:
        if token // 32 < len(row):
            row[token // 32] &= ~np.uint32(1 << (token % 32))
