"""Bidirectional attention of the reference backend against dense attention in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from frameworkctl_kernels.protocol import StepShape
from frameworkctl_kernels.reference.backend import ReferenceBackend
from support.engine.dense import both_ways


@pytest.mark.parametrize("lens", [[1], [7], [5, 0, 9, 1, 30, 8], [16, 16, 16]])
@pytest.mark.parametrize("window", [None, 0, 3])
@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("reach", [None, 4])
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (6, 2)])
def test_equals_dense_attention(
    lens: list[int], window: int | None, softcap: float | None, reach: int | None, heads: int, kv_heads: int
) -> None:
    torch.manual_seed(0)
    tokens, dim = sum(lens), 16
    query = torch.randn(tokens, heads, dim)
    key, value = torch.randn(tokens, kv_heads, dim), torch.randn(tokens, kv_heads, dim)
    counts = np.array(lens, dtype=np.int32)
    backend = ReferenceBackend("cpu")
    backend.plan(StepShape(tokens, len(lens), len(lens), max(lens), False, counts, counts), [])
    out = torch.full_like(query, float("nan"))
    bias = None if reach is None else torch.randn(heads, 2 * reach + 1)
    backend.varlen_attention(query, key, value, out, scale=0.3, window=window, softcap=softcap, bias=bias)
    right = both_ways(query, key, value, lens, scale=0.3, window=window, softcap=softcap, bias=bias)
    torch.testing.assert_close(out.double(), right, rtol=1e-5, atol=1e-5)
