"""Paged attention of the reference backend against dense attention in float64, over random batches and page tables."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from frameworkctl_kernels.protocol import GroupView, StepShape
from frameworkctl_kernels.reference.backend import ReferenceBackend
from torch import Tensor

BLOCK = 4
PAGES = 64


@dataclass
class Case:
    """Sequences as (tokens before the step, tokens in the step)."""

    sequences: list[tuple[int, int]]
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 16
    window: int | None = None
    softcap: float | None = None
    sinks: bool = False
    dtype: torch.dtype = torch.float32
    spare_halves: int = 0  # larger pages than this group needs


def dense(q: Tensor, k: Tensor, v: Tensor, before: int, case: Case, sinks: Tensor | None, scale: float) -> Tensor:
    """One sequence, in float64, a query and a head at a time."""
    out = torch.zeros(q.shape, dtype=torch.float64)
    group = case.heads // case.kv_heads
    for i in range(q.shape[0]):
        position = before + i
        first = 0 if case.window is None else max(0, position - case.window + 1)
        for h in range(case.heads):
            keys = k[first : position + 1, h // group].double()
            scores = keys @ q[i, h].double() * scale
            if case.softcap is not None:
                scores = case.softcap * torch.tanh(scores / case.softcap)
            if sinks is not None:
                scores = torch.cat([scores, sinks[h].double()[None]])
            weights = torch.softmax(scores, dim=0)[: keys.shape[0]]
            out[i, h] = weights @ v[first : position + 1, h // group].double()
    return out


def run(case: Case, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(what the backend says, what is right)."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    backend = ReferenceBackend("cpu")
    lens = np.array([n for _, n in case.sequences], dtype=np.int32)
    totals = np.array([b + n for b, n in case.sequences], dtype=np.int32)
    tokens, scale = int(lens.sum()), 1 / math.sqrt(case.head_dim)
    columns = int(-(-totals.max() // BLOCK)) + 1
    table = np.zeros((len(lens), columns), dtype=np.int32)
    free = list(rng.permutation(np.arange(1, PAGES)))
    for s, total in enumerate(totals):
        for c in range(-(-total // BLOCK)):
            gone = case.window is not None and (c + 1) * BLOCK <= totals[s] - lens[s] - case.window + 1
            table[s, c] = 0 if gone else free.pop()
    half_bytes = BLOCK * case.kv_heads * case.head_dim * case.dtype.itemsize
    pages = torch.full((PAGES, half_bytes * (2 + case.spare_halves)), 255, dtype=torch.uint8)  # NaN, but for own pages
    pages[torch.from_numpy(table[table > 0]).long()] = 0
    cache = backend.view_cache(pages, block_size=BLOCK, heads=case.kv_heads, head_dim=case.head_dim, dtype=case.dtype)
    q = torch.randn(tokens, case.heads, case.head_dim, dtype=case.dtype)
    sinks = torch.randn(case.heads) if case.sinks else None
    want, keys, values, slots, at = [], [], [], [], 0
    for s, (before, n) in enumerate(case.sequences):
        k, v = (torch.randn(before + n, case.kv_heads, case.head_dim, dtype=case.dtype) for _ in range(2))
        place = np.arange(before + n)
        slot = table[s, place // BLOCK].astype(np.int64) * BLOCK + place % BLOCK
        kept = table[s, place // BLOCK] != 0
        old = GroupView(
            "full", BLOCK, None, columns, Tensor(), Tensor(), torch.from_numpy(slot[:before][kept[:before]])
        )
        backend.write_kv(k[:before][kept[:before]], v[:before][kept[:before]], cache, old)
        keys.append(k[before:])
        values.append(v[before:])
        slots.append(slot[before:])
        want.append(dense(q[at : at + n], k, v, before, case, sinks, scale))
        at += n
    kind = "window" if case.window else "full"
    view = GroupView(
        kind,
        BLOCK,
        case.window,
        columns,
        torch.from_numpy(totals),
        torch.from_numpy(table),
        torch.from_numpy(np.concatenate(slots)),
    )
    shape = StepShape(tokens, len(lens), len(lens), int(lens.max()), bool((lens == 1).all()), lens, totals)
    backend.plan(shape, [view])
    backend.write_kv(torch.cat(keys), torch.cat(values), cache, view)
    out = torch.empty_like(q)
    backend.attention(q, cache, 0, out, scale=scale, window=case.window, softcap=case.softcap, sinks=sinks)
    return out, torch.cat(want)


MIXED = [(0, 7), (5, 1), (17, 1), (3, 9), (0, 1), (30, 2), (12, 0), (9, 3)]
CASES = {
    "decode": Case([(5, 1), (17, 1), (0, 1), (31, 1)]),
    "one prefill": Case([(0, 23)]),
    "continued prefill": Case([(13, 10)]),
    "mixed": Case(MIXED),
    "no groups": Case(MIXED, heads=3, kv_heads=3),
    "one key head": Case(MIXED, heads=7, kv_heads=1, head_dim=64),
    "odd head size": Case(MIXED, head_dim=20),
    "window": Case(MIXED, window=6),
    "window of one": Case(MIXED, window=1),
    "window longer than all": Case(MIXED, window=100),
    "window, decode": Case([(5, 1), (17, 1), (0, 1), (31, 1)], window=6),
    "window, one prefill": Case([(0, 23)], window=6),
    "softcap": Case(MIXED, softcap=2.0),
    "softcap and window": Case(MIXED, softcap=2.0, window=5),
    "sinks": Case(MIXED, sinks=True),
    "sinks, softcap and window": Case(MIXED, sinks=True, softcap=3.0, window=7),
    "larger pages": Case(MIXED, spare_halves=1),
    "larger pages, window": Case(MIXED, spare_halves=3, window=6),
}


@pytest.mark.parametrize("name", CASES)
def test_against_dense_attention(name: str) -> None:
    got, want = run(CASES[name])
    torch.testing.assert_close(got.double(), want, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("softcap", [None, 5.0])
def test_half_precision(dtype: torch.dtype, softcap: float | None) -> None:
    got, want = run(Case(MIXED, dtype=dtype, softcap=softcap, head_dim=32))
    torch.testing.assert_close(got.double(), want, atol=3e-2, rtol=3e-2)


@pytest.mark.parametrize("seed", range(12))
def test_random_batches(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sequences = [(int(rng.integers(0, 30)), int(rng.choice([0, 1, 1, 1, 2, 5, 16]))) for _ in range(5)] + [(2, 3)]
    kv_heads = int(rng.choice([1, 2, 3]))
    window = None if rng.random() < 0.5 else int(rng.integers(1, 20))
    got, want = run(Case(sequences, kv_heads * int(rng.choice([1, 2, 4])), kv_heads, 8, window), seed)
    torch.testing.assert_close(got.double(), want, atol=2e-5, rtol=1e-4)


def test_pages_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="halves"):
        ReferenceBackend("cpu").view_cache(
            torch.zeros(4, 100, dtype=torch.uint8), block_size=4, heads=2, head_dim=4, dtype=torch.float32
        )
