"""Rotation and cache write in one call of the CPU backend: the same bits as one by one, in queries and in the pages."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from frameworkctl_kernels.protocol import GroupView
from frameworkctl_kernels.reference.backend import ReferenceBackend
from support.engine.cpu_backend import cpu_backend
from torch import Tensor

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
HEADS, KV_HEADS = 6, 2
SIZES = [(1, 64, 64, 16), (70, 80, 32, 16), (33, 10, 6, 5), (41, 17, 16, 3), (9, 256, 256, 4)]


def view_of(slots: Tensor, block: int, pages: int) -> GroupView:
    lens = torch.tensor([len(slots)], dtype=torch.int32)
    return GroupView("full", block, None, pages, lens, torch.zeros(1, pages, dtype=torch.int32), slots)


def parts(tokens: int, dim: int, dtype: torch.dtype, layout: str) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values: each by itself, in one row behind each other, or one head of each side by side."""
    torch.manual_seed(0)
    sizes = (HEADS, KV_HEADS, KV_HEADS)
    if layout == "fused":
        return torch.randn(tokens, sum(sizes), dim).to(dtype).split(sizes, dim=1)  # type: ignore[return-value]
    if layout == "by head":
        q, k, v = torch.randn(tokens, HEADS, 3, dim).to(dtype).unbind(2)
        return q, k[:, :KV_HEADS], v[:, 1 : 1 + KV_HEADS]
    if layout == "turned":  # a head's numbers are not back to back
        return tuple(torch.randn(tokens, dim, n).to(dtype).transpose(1, 2) for n in sizes)  # type: ignore[return-value]
    return tuple(torch.randn(tokens, n, dim).to(dtype) for n in sizes)  # type: ignore[return-value]


@pytest.mark.parametrize("layout", ["fused", "by head", "turned", "apart"])
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_as_one_by_one(dtype: torch.dtype, interleaved: bool, layout: str) -> None:
    backend = cpu_backend(2)
    for tokens, dim, rotated, block in SIZES:
        pages = -(-tokens // block) + 2
        # Slots of several pages that are not full, in an order of their own, as a mixed batch has them.
        slots = (torch.randperm(pages * block, generator=torch.Generator().manual_seed(1)))[:tokens]
        angles = torch.randn(tokens, rotated // 2)
        table = torch.cat([angles.cos(), angles.sin()], dim=-1).to(dtype)
        shape: dict[str, Any] = {"block_size": block, "heads": KV_HEADS, "head_dim": dim, "dtype": dtype}
        pools = [torch.zeros(pages, 2 * block * KV_HEADS * dim * dtype.itemsize, dtype=torch.uint8) for _ in range(2)]
        given = [parts(tokens, dim, dtype, layout) for _ in range(2)]
        view = view_of(slots, block, pages)
        q, k, v = given[0]
        backend.rotary(q, table, interleaved=interleaved)
        backend.rotary(k, table, interleaved=interleaved)
        backend.write_kv(k, v, backend.view_cache(pools[0], **shape), view)
        together = backend.view_cache(pools[1], **shape)
        backend.rotary_write_kv(*given[1], table, together, view, interleaved=interleaved)
        assert pools[0].any()
        assert torch.equal(pools[0], pools[1])
        assert torch.equal(given[1][0], q)
        assert torch.equal(given[1][2], v)


@pytest.mark.parametrize("interleaved", [False, True])
def test_close_to_the_reference_in_the_pages(interleaved: bool) -> None:
    """The layout of a page, keys transposed, is that of source/kv.h."""
    backend, reference = cpu_backend(1), ReferenceBackend("cpu")
    q, k, v = parts(20, 16, torch.float32, "fused")
    angles = torch.randn(20, 8)
    table = torch.cat([angles.cos(), angles.sin()], dim=-1)
    right_q, right_k = q.clone(), k.clone()
    reference.rotary(right_q, table, interleaved=interleaved)
    reference.rotary(right_k, table, interleaved=interleaved)
    pool = torch.zeros(2, 2 * 16 * KV_HEADS * 16 * 4, dtype=torch.uint8)
    cache = backend.view_cache(pool, block_size=16, heads=KV_HEADS, head_dim=16, dtype=torch.float32)
    backend.rotary_write_kv(q, k, v, table, cache, view_of(torch.arange(20), 16, 2), interleaved=interleaved)
    torch.testing.assert_close(q, right_q)
    keys, values = pool.view(torch.float32).view(2, 2, KV_HEADS, 16, 16).unbind(1)  # transposed; by token
    torch.testing.assert_close(keys.permute(0, 3, 1, 2).reshape(32, KV_HEADS, 16)[:20], right_k)
    assert torch.equal(values.permute(0, 2, 1, 3).reshape(32, KV_HEADS, 16)[:20], v)
