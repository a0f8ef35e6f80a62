"""Attention of the CPU backend against dense attention in float64, over random batches, page sizes and layouts.

The pool is filled with NaNs wherever no token was stored, so that one read too many shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from frameworkctl_kernels.cpu.backend import CpuBackend
from frameworkctl_kernels.protocol import GroupView, StepShape
from support.engine.cpu_backend import TOLERANCES, cpu_backend
from support.engine.dense import both_ways, paged
from torch import Tensor

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
MIXED = [(0, 5), (9, 1), (0, 0), (3, 17), (40, 1), (100, 1), (0, 33), (7, 70)]


@dataclass
class Case:
    """Sequences as (tokens before the step, tokens in the step)."""

    sequences: list[tuple[int, int]] = field(default_factory=lambda: MIXED)
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 16
    block: int = 16
    spare: int = 0  # bytes of a page that nobody uses
    causal: bool = True
    options: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case(),
    Case(block=4, spare=64, options={"window": 5}),
    Case(options={"softcap": 2.0}),
    Case(block=32, options={"sinks": True}),
    Case(heads=7, kv_heads=1, head_dim=64, options={"window": 7, "softcap": 3.0, "sinks": True}),
    Case(heads=14, head_dim=64, options={"window": 20}),
    Case(heads=6, kv_heads=3, head_dim=17, block=5),
    Case(head_dim=20, block=6),
    Case(heads=8, kv_heads=1, head_dim=256, spare=4096),
    Case(heads=70, kv_heads=1, head_dim=80, block=48),
    Case(head_dim=32, causal=False),
    Case([(3000, 1), (700, 3), (0, 2)], heads=7, kv_heads=1, head_dim=64),
    Case([(500, 200)], heads=2, head_dim=128, options={"window": 100}),
]


class Store:
    """A backend with keys and values of sequences in its pages, in an order of their own."""

    def __init__(self, backend: CpuBackend, case: Case, dtype: torch.dtype, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.backend, self.case, self.dtype = backend, case, dtype
        self.totals = [before + new for before, new in case.sequences]
        columns = max(-(-total // case.block) for total in self.totals)
        pages = columns * len(self.totals) + 1
        size = 2 * case.block * case.kv_heads * case.head_dim * dtype.itemsize + case.spare
        pool = torch.full((pages, size), 0xFF, dtype=torch.uint8)
        self.cache = backend.view_cache(
            pool, block_size=case.block, heads=case.kv_heads, head_dim=case.head_dim, dtype=dtype
        )
        order = np.random.default_rng(seed).permutation(np.arange(1, pages)).astype(np.int32)
        self.table = order.reshape(len(self.totals), columns)
        shape = (case.kv_heads, case.head_dim)
        self.keys = [torch.randn(n, *shape).to(dtype) for n in self.totals]
        self.values = [torch.randn(n, *shape).to(dtype) for n in self.totals]
        self.queries = [torch.randn(n, case.heads, case.head_dim).to(dtype) for n in self.totals]
        self.sinks = torch.randn(case.heads) if case.options.get("sinks") else None
        for s, (k, v) in enumerate(zip(self.keys, self.values, strict=True)):
            at = np.arange(len(k))
            slots = self.table[s, at // case.block].astype(np.int64) * case.block + at % case.block
            backend.write_kv(k, v, self.cache, self.view([], torch.from_numpy(slots)))

    def view(self, totals: list[int], slots: Tensor | None = None) -> GroupView:
        lens, table = torch.tensor(totals, dtype=torch.int32), torch.from_numpy(self.table)
        columns = self.table.shape[1]
        return GroupView(
            "full",
            self.case.block,
            self.case.options.get("window"),
            columns,
            lens,
            table,
            torch.zeros(0, dtype=torch.int64) if slots is None else slots,
        )

    def attend(self, steps: list[tuple[int, int]]) -> list[Tensor]:
        """What tokens [first, last) of each sequence get when they make up a step."""
        case = self.case
        counts = np.array([last - first for first, last in steps], dtype=np.int32)
        totals = np.array([last for _, last in steps], dtype=np.int32)
        shape = StepShape(int(counts.sum()), len(counts), len(counts), int(counts.max()), False, counts, totals)
        self.backend.plan(shape, [self.view(totals.tolist())])
        query = torch.cat([q[first:last] for q, (first, last) in zip(self.queries, steps, strict=True)])
        out = torch.full_like(query, float("nan"))
        options = {name: value for name, value in case.options.items() if name != "sinks"}
        self.backend.attention(
            query, self.cache, 0, out, scale=case.head_dim**-0.5, causal=case.causal, sinks=self.sinks, **options
        )
        return list(out.split(counts.tolist()))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_paged_attention(case: Case, dtype: torch.dtype) -> None:
    for threads, deterministic in ((1, False), (2, False), (2, True)):
        store = Store(cpu_backend(threads, deterministic=deterministic), case, dtype)
        got = store.attend([(before, before + new) for before, new in case.sequences])
        for s, (before, _) in enumerate(case.sequences):
            options = {**case.options, "sinks": store.sinks, "causal": case.causal}
            right = paged(
                store.queries[s][before:], store.keys[s], store.values[s], scale=case.head_dim**-0.5, **options
            )
            tolerance = TOLERANCES[dtype]
            torch.testing.assert_close(got[s].double(), right, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("window", [None, 90])
def test_deterministic_attention_does_not_depend_on_the_batch_or_on_chunks(
    dtype: torch.dtype, window: int | None
) -> None:
    case = Case([(0, 2300), (0, 70), (0, 600)], heads=4, kv_heads=2, head_dim=32, options={"window": window})
    store = Store(cpu_backend(2, deterministic=True), case, dtype)
    whole = store.attend([(0, 2300), (0, 70), (0, 600)])
    store = Store(cpu_backend(1, deterministic=True), case, dtype)
    for steps in (
        [(2299, 2300), (69, 70), (0, 600)],
        [(1000, 2203), (5, 5), (598, 600)],
        [(2296, 2300), (1, 3), (7, 7)],
    ):
        for got, right, (first, last) in zip(store.attend(steps), whole, steps, strict=True):
            assert torch.equal(got, right[first:last])


@pytest.mark.parametrize("dtype", DTYPES)
def test_keys_of_a_page_that_went_to_another_sequence_do_not_leak(dtype: torch.dtype) -> None:
    case = Case([(20, 1)], head_dim=32)
    store = Store(cpu_backend(1), case, dtype)
    store.cache.pages.view(dtype)[int(store.table[0, 1])].fill_(float("nan"))  # tokens 16 to 31
    got = store.attend([(15, 16)])[0]
    right = paged(store.queries[0][15:16], store.keys[0][:16], store.values[0][:16], scale=32**-0.5)
    torch.testing.assert_close(got.double(), right, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("heads", "dim", "value_dim"), [(4, 24, 16), (16, 72, 64), (70, 20, 13)])
def test_latent_attention(dtype: torch.dtype, heads: int, dim: int, value_dim: int) -> None:
    torch.manual_seed(0)
    backend, block, total, new = cpu_backend(2), 16, 90, 7
    pool = torch.full((9, block * dim * dtype.itemsize + 32), 0xFF, dtype=torch.uint8)
    cache = backend.view_latent_cache(pool, block_size=block, dim=dim, dtype=dtype)
    latent = torch.randn(total, dim).to(dtype)
    table = torch.tensor([[3, 1, 7, 2, 8, 5]], dtype=torch.int32)
    slots = table[0, torch.arange(total) // block].long() * block + torch.arange(total) % block
    lens = torch.tensor([total], dtype=torch.int32)
    view = GroupView("latent", block, None, 6, lens, table, slots)
    backend.write_latent(latent, cache, view)
    counts, totals = np.array([new], dtype=np.int32), np.array([total], dtype=np.int32)
    backend.plan(StepShape(new, 1, 1, new, False, counts, totals), [view])
    query = torch.randn(new, heads, dim).to(dtype)
    out = torch.full((new, heads, value_dim), float("nan"), dtype=dtype)
    backend.latent_attention(query, cache, 0, out, scale=0.2)
    right = paged(query, latent[:, None], latent[:, None, :value_dim], scale=0.2)
    torch.testing.assert_close(out.double(), right, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("window", [None, 0, 9])
@pytest.mark.parametrize(("heads", "kv_heads", "dim"), [(4, 4, 32), (6, 2, 17), (3, 3, 64)])
def test_attention_both_ways(dtype: torch.dtype, window: int | None, heads: int, kv_heads: int, dim: int) -> None:
    torch.manual_seed(0)
    lens = [5, 0, 9, 1, 130, 64]
    fused = torch.randn(sum(lens), heads + 2 * kv_heads, dim).to(dtype)  # as projections leave them
    query, key, value = fused.split([heads, kv_heads, kv_heads], dim=1)
    counts = np.array(lens, dtype=np.int32)
    for deterministic, softcap in ((False, None), (True, 2.0)):
        backend = cpu_backend(2, deterministic=deterministic)
        backend.plan(StepShape(sum(lens), len(lens), len(lens), max(lens), False, counts, counts), [])
        out = torch.full(query.shape, float("nan"), dtype=dtype)
        backend.varlen_attention(query, key, value, out, scale=0.3, window=window, softcap=softcap)
        right = both_ways(query, key, value, lens, scale=0.3, window=window, softcap=softcap)
        torch.testing.assert_close(out.double(), right, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])


def test_a_page_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="does not hold keys and values of 16 tokens"):
        cpu_backend(1).view_cache(
            torch.zeros(4, 100, dtype=torch.uint8), block_size=16, heads=2, head_dim=8, dtype=torch.float32
        )


def test_cases_cover_both_ways_of_reading_a_page() -> None:
    """Few rows multiply woven pages as they lie, many widen them first: the same numbers come out."""
    case = replace(CASES[5], options={})
    store = Store(cpu_backend(1, deterministic=True), case, torch.bfloat16)
    many = store.attend([(0, total) for total in store.totals])
    few = store.attend([(max(0, total - 1), total) for total in store.totals])
    for got, right in zip(few, many, strict=True):
        assert torch.equal(got, right[-1:] if len(right) else right)
