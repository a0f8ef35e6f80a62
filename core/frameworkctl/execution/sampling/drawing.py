"""Draws one token per row from filtered distributions, by inverse CDF of a given uniform number."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAX_PARTIAL_K = 1024  # up to here the top k are selected; beyond, the vocabulary is sorted
TIE_ROOM = 16  # so many more are selected, for tokens as likely as the k-th


def draw(
    logits: Tensor,
    top_k: NDArray[np.int64],
    top_p: NDArray[np.float32],
    min_p: NDArray[np.float32],
    u: NDArray[np.float64],
) -> Tensor:
    """Token ids ``[n]`` from ``logits [n, V]`` already divided by temperature; changes ``logits``.

    Order: min-p (keep p >= min_p * max p), top-k (ties with the k-th stay), then the smallest set whose mass reaches
    top_p (Holtzman et al. 2020), renormalised. Rows are treated in three groups by how much order they need.
    """
    if (min_p > 0).any():
        floor = logits.max(dim=-1, keepdim=True).values + _column(np.log(np.maximum(min_p, 1e-38)), logits)
        floor[torch.from_numpy(min_p <= 0).to(logits.device)] = float("-inf")
        logits.masked_fill_(logits < floor, float("-inf"))
    k = np.where((top_k <= 0) | (top_k >= logits.shape[1]), 0, top_k)
    few = (k > 0) & (k <= MAX_PARTIAL_K)
    ordered = ~few & ((k > 0) | (top_p < 1))
    out = torch.empty(logits.shape[0], dtype=torch.int64, device=logits.device)
    for mask, pick in ((few, _draw_few), (ordered, _draw_ordered), (~few & ~ordered, _draw_plain)):
        if not mask.any():
            continue
        if mask.all():
            return pick(logits, k, top_p, u)
        rows = torch.from_numpy(np.flatnonzero(mask)).to(logits.device)
        out[rows] = pick(logits[rows], k[mask], top_p[mask], u[mask])
    return out


def _column(values: NDArray[np.float32], like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(like.device)[:, None]


def _draw_few(logits: Tensor, k: NDArray[np.int64], top_p: NDArray[np.float32], u: NDArray[np.float64]) -> Tensor:
    """Rows with a small k: only the most likely tokens are put in order."""
    width = min(int(k.max()) + TIE_ROOM, logits.shape[1])
    values, ids = torch.topk(logits, width, dim=-1)
    # Which of equal logits come first must not depend on how many are selected, or a neighbour's k would be felt.
    ids, order = ids.sort(dim=-1)
    values, order = values.gather(1, order).sort(dim=-1, descending=True, stable=True)
    out = _draw_sorted(values, ids.gather(1, order), k, top_p, u)
    if width < logits.shape[1]:
        last = torch.from_numpy(k - 1).to(logits.device)[:, None]
        edge = values.gather(1, last)[:, 0]
        spilled = torch.nonzero((values[:, -1] >= edge) & edge.isfinite())[:, 0]
        if len(spilled):  # more ties than there was room for
            at = spilled.cpu().numpy()
            out[spilled] = _draw_ordered(logits[spilled], k[at], top_p[at], u[at])
    return out


def _draw_ordered(logits: Tensor, k: NDArray[np.int64], top_p: NDArray[np.float32], u: NDArray[np.float64]) -> Tensor:
    """Rows that need the whole vocabulary in order."""
    values, ids = torch.sort(logits, dim=-1, descending=True, stable=True)
    return _draw_sorted(values, ids, k, top_p, u)


def _draw_plain(logits: Tensor, k: NDArray[np.int64], top_p: NDArray[np.float32], u: NDArray[np.float64]) -> Tensor:
    """Rows that need no order at all."""
    return _inverse_cdf(logits, u)


def _draw_sorted(
    values: Tensor, ids: Tensor, k: NDArray[np.int64], top_p: NDArray[np.float32], u: NDArray[np.float64]
) -> Tensor:
    """Cut by k (0: none) and by top-p, then draw; ``values`` descend, ``ids`` are their tokens."""
    if (k > 0).any():
        last = torch.from_numpy(np.where(k > 0, k, values.shape[1]) - 1).to(values.device)[:, None]
        values = values.masked_fill(values < values.gather(1, last), float("-inf"))
    if (top_p < 1).any():
        probabilities = torch.softmax(values, dim=-1)
        outside = probabilities.cumsum(dim=-1) - probabilities >= _column(top_p, values)
        outside[:, 0] = False
        values = values.masked_fill(outside, float("-inf"))
    return ids.gather(1, _inverse_cdf(values, u)[:, None])[:, 0]


def _inverse_cdf(logits: Tensor, u: NDArray[np.float64]) -> Tensor:
    """Return the first index whose cumulative mass exceeds u times the whole."""
    mass = torch.softmax(logits, dim=-1).cumsum(dim=-1, dtype=torch.float64)
    target = torch.from_numpy(u).to(logits.device)[:, None] * mass[:, -1:]
    return torch.searchsorted(mass, target, right=True)[:, 0].clamp_(max=logits.shape[1] - 1)
