"""Drawing on the CPU backend: the exact distribution, cut as top-k, top-p and min-p say; and the largest logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from support.engine.cpu_backend import cpu_backend

DRAWS = 10_000


def kept(logits: np.ndarray, k: int, top_p: float, min_p: float) -> np.ndarray:
    """The exact distribution, computed the long way."""
    p = np.exp(logits - logits.max())
    p = np.where(p >= min_p * p.max(), p, 0.0)
    if k:
        p = np.where(p >= np.sort(p)[-k], p, 0.0)
    p /= p.sum()
    order = np.argsort(-p, kind="stable")
    before = np.cumsum(p[order]) - p[order]
    p[order[(before >= top_p) & (np.arange(len(p)) > 0)]] = 0.0
    return np.asarray(p / p.sum())


@pytest.mark.parametrize("k", [0, 1, 7, 40])
@pytest.mark.parametrize("top_p", [1.0, 0.85, 0.3, 0.0])
@pytest.mark.parametrize("min_p", [0.0, 0.05])
def test_draws_have_the_exact_distribution(k: int, top_p: float, min_p: float) -> None:
    rng = np.random.default_rng(k)
    logits = np.round(rng.normal(0, 2, 61), 1)  # with ties
    logits[[3, 9]] = -np.inf
    right = kept(logits, k, top_p, min_p)
    rows = torch.from_numpy(logits).float().expand(DRAWS, -1)
    limits = np.full(DRAWS, k), np.full(DRAWS, top_p, np.float32), np.full(DRAWS, min_p, np.float32)
    tokens = cpu_backend(2).draw(rows, *limits, (np.arange(DRAWS) + rng.random()) / DRAWS)
    assert tokens is not None
    counts = np.bincount(tokens.numpy(), minlength=61)
    assert not counts[right == 0].any()
    some = right > 0
    # The numbers are spread evenly, so counts are within one of what is expected but for rounding.
    assert np.abs(counts[some] - right[some] * DRAWS).max() <= 2.5
    uneven = cpu_backend(1).draw(rows, *limits, rng.random(DRAWS))
    assert uneven is not None
    counts = np.bincount(uneven.numpy(), minlength=61)
    if some.sum() > 1:
        assert stats.chisquare(counts[some], right[some] * counts.sum()).pvalue > 1e-4


@pytest.mark.parametrize("k", [0, 500, 3000])
def test_large_vocabularies_are_cut_exactly(k: int) -> None:
    """Flat and peaked ones: what is drawn at numbers spread evenly is what is kept, and nothing else."""
    vocabulary, draws = 50_001, 100
    for scale in (0.05, 1.0, 6.0):
        logits = torch.randn(vocabulary, generator=torch.Generator().manual_seed(1)) * scale
        right = kept(logits.double().numpy(), k, 0.9, 0.0)
        u = np.linspace(0, 1, draws, endpoint=False)
        limits = np.full(draws, k), np.full(draws, 0.9, np.float32), np.zeros(draws, np.float32)
        tokens = cpu_backend(2).draw(logits.expand(draws, -1), *limits, u)
        assert tokens is not None
        exact = np.searchsorted(np.cumsum(right), u, side="right")
        assert (tokens.numpy() == exact).mean() > 0.99  # sums in another order move the borders a little
        assert (right[tokens.numpy()] > 0).all()


def test_rows_do_not_feel_each_other() -> None:
    torch.manual_seed(0)
    logits, backend = torch.randn(3, 1000), cpu_backend(2)
    k, p, low, u = np.array([5, 0, 0]), np.array([1, 0.5, 1], np.float32), np.array([0, 0, 0.1], np.float32), [0.3] * 3
    together = backend.draw(logits, k, p, low, np.array(u))
    assert together is not None
    for i in range(3):
        row = slice(i, i + 1)
        alone = backend.draw(logits[row], k[row], p[row], low[row], np.array(u[row]))
        assert alone is not None
        assert alone[0] == together[i]


@pytest.mark.parametrize("width", [0, 1, 5, 40])
def test_top_logits(width: int) -> None:
    torch.manual_seed(0)
    logits = torch.randn(5, 3001) * 3
    logits[1] = torch.arange(3001) * 0.01  # each block has larger ones than the last
    logits[2, 100:] = float("-inf")
    found = cpu_backend(2).top_logits(logits, width)
    assert found is not None
    norms, values, ids = found
    right, right_ids = torch.topk(logits, width, dim=-1)
    torch.testing.assert_close(norms.double(), torch.logsumexp(logits.double(), dim=-1), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(values, right)
    assert torch.equal(ids, right_ids)
