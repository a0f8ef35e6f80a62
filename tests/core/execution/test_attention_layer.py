"""The attention layer: rotation where it belongs, also when another backend rotates than keeps the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from frameworkctl.execution.build import OneRank
from frameworkctl.interfaces.engine import Backend, Batch, GroupView, ModelContext, StepShape
from frameworkctl.layers import Attention
from frameworkctl_kernels.reference.backend import ReferenceBackend
from torch import Tensor

TOKENS, HEADS, KV_HEADS, DIM, BLOCK = 5, 4, 2, 8, 4


class WithoutJoint(ReferenceBackend):
    """Keeps the cache, and is not to be asked for what the other backend does."""

    def rotary_write_kv(self, *args: Any, **kwargs: Any) -> None:
        raise AssertionError("rotation runs on the other backend")


def attended(ops: Callable[..., Backend], planned: ReferenceBackend, *, rotate: bool, interleaved: bool) -> Tensor:
    """The layer's output for one sequence; rotated by the layer, or already when it comes."""
    torch.manual_seed(0)
    heads = torch.randn(TOKENS, HEADS + 2 * KV_HEADS, DIM)
    q, k, v = heads.split((HEADS, KV_HEADS, KV_HEADS), dim=1)
    angles = torch.randn(TOKENS, DIM // 2)
    table = torch.cat([angles.cos(), angles.sin()], dim=-1)
    ctx = ModelContext(torch.float32, torch.device("cpu"), OneRank(), ops)
    layer = Attention(ctx, HEADS, KV_HEADS, DIM, scale=0.3, rotary=rotate, interleaved=interleaved)
    layer.bind(torch.zeros(3, 2 * BLOCK * KV_HEADS * DIM * 4, dtype=torch.uint8), 0, BLOCK)
    lens = torch.tensor([TOKENS], dtype=torch.int32)
    table_of_pages, slots = torch.tensor([[2, 1]], dtype=torch.int32), torch.tensor([8, 9, 10, 11, 4])
    view = GroupView("full", BLOCK, None, 2, lens, table_of_pages, slots)
    shape = StepShape(TOKENS, 1, 1, TOKENS, False, np.array([TOKENS], np.int32), np.array([TOKENS], np.int32))
    planned.plan(shape, [view])
    empty = torch.zeros(0)
    batch = Batch(shape, empty, empty, empty, empty, [view])
    if rotate:
        rotated: Tensor = layer(q, k, v, batch, table)
        return rotated
    planned.rotary(heads[:, : HEADS + KV_HEADS], table, interleaved=interleaved)
    out: Tensor = layer(q, k, v, batch)
    return out


@pytest.mark.parametrize("interleaved", [False, True])
def test_queries_and_keys_are_rotated_once_whoever_does_it(interleaved: bool) -> None:
    reference, keeper = ReferenceBackend("cpu"), WithoutJoint("cpu")
    before = attended(lambda op, **facts: reference, reference, rotate=False, interleaved=interleaved)
    together = attended(lambda op, **facts: reference, reference, rotate=True, interleaved=interleaved)
    torch.testing.assert_close(together, before)
    asked: list[dict[str, Any]] = []

    def divided(op: str, **facts: Any) -> Backend:
        if op != "rotary":
            return keeper
        asked.append(facts)
        return reference

    apart = attended(divided, keeper, rotate=True, interleaved=interleaved)
    assert [facts["interleaved"] for facts in asked] == [interleaved]
    assert torch.equal(apart, together)
    other = attended(lambda op, **facts: reference, reference, rotate=True, interleaved=not interleaved)
    assert not torch.allclose(apart, other)
