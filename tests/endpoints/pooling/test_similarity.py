"""Cosines and MaxSim against loops over their formulas."""

from __future__ import annotations

import math
import struct

import pytest
from frameworkctl.interfaces import PoolOutput
from frameworkctl_endpoints.scoring import similarity

Rows = list[list[float]]


def output(rows: Rows, *, one: bool = False) -> PoolOutput:
    flat = [x for row in rows for x in row]
    data = struct.pack(f"<{len(flat)}f", *flat)
    return PoolOutput(item=0, data=data, width=len(rows[0]), rows=None if one else len(rows))


def rows(seed: int, count: int, width: int = 5) -> Rows:
    return [[math.sin(seed * 7.1 + i * 3.3 + j * 1.7) * (1 + seed % 3) for j in range(width)] for i in range(count)]


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("queries", [1, 4])
def test_cosines(queries: int) -> None:
    left, right = [rows(i, 1) for i in range(queries)], [rows(10 + i, 1) for i in range(4)]
    got = similarity.cosines([output(v, one=True) for v in left], [output(v, one=True) for v in right])
    pairs = [(left[i % queries][0], d[0]) for i, d in enumerate(right)]
    want = [dot(q, d) / math.sqrt(dot(q, q) * dot(d, d)) for q, d in pairs]
    assert got == pytest.approx(want, abs=1e-6)


def test_a_vector_of_zeros_is_like_nothing() -> None:
    assert similarity.cosines([output([[0.0] * 5], one=True)], [output(rows(1, 1), one=True)]) == [0.0]


@pytest.mark.parametrize("queries", [1, 6])
@pytest.mark.parametrize("block", [1, 20, 1 << 20])
def test_max_sims(queries: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many documents are taken at a time."""
    monkeypatch.setattr(similarity, "BLOCK", block)
    left, right = [rows(i, 3) for i in range(queries)], [rows(20 + i, 1 + i % 4) for i in range(6)]
    got = similarity.max_sims([output(v) for v in left], [output(v) for v in right])
    want = [sum(max(dot(q, d) for d in document) for q in left[i % queries]) for i, document in enumerate(right)]
    assert got == pytest.approx(want, abs=1e-5)
