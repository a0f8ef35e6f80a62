"""Attention written down as its formula, in float64: what kernels are held to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def both_ways(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    lens: Sequence[int],
    *,
    scale: float,
    window: int | None = None,
    softcap: float | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """``query [T, H, D]``, ``key`` and ``value [T, K, D]`` of sequences of ``lens`` tokens -> ``[T, H, D]`` float64."""
    parts = []
    for q, k, v in zip(*(t.double().split(list(lens)) for t in (query, key, value)), strict=True):
        group = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        scores = torch.einsum("qhd,khd->hqk", q, k) * scale
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        place = torch.arange(len(q))
        if bias is not None:
            reach = bias.shape[1] // 2
            scores = scores + bias.double()[:, reach + (place[None] - place[:, None]).clamp(-reach, reach)]
        if window is not None:
            scores = scores.masked_fill((place[:, None] - place[None]).abs() > window, float("-inf"))
        parts.append(torch.einsum("hqk,khd->qhd", torch.softmax(scores, dim=-1), v))
    return torch.cat(parts)


def paged(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float,
    causal: bool = True,
    window: int | None = None,
    softcap: float | None = None,
    sinks: Tensor | None = None,
) -> Tensor:
    """The last ``n`` tokens of one sequence: ``query [n, H, D]``, all ``key`` and ``value [S, K, D]`` -> float64."""
    heads, group = query.shape[1], query.shape[1] // key.shape[1]
    q, k, v = query.double(), key.double(), value.double()
    k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
    scores = torch.einsum("qhd,khd->hqk", q, k) * scale
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    if causal:
        behind = torch.arange(len(k) - len(q), len(k))[:, None] - torch.arange(len(k))
        hidden = behind < 0 if window is None else (behind < 0) | (behind >= window)
        scores = scores.masked_fill(hidden, float("-inf"))
    if sinks is not None:
        scores = torch.cat([scores, sinks.double().view(heads, 1, 1).expand(-1, len(q), 1)], dim=-1)
    weights = torch.softmax(scores, dim=-1)[..., : len(k)]
    return torch.einsum("hqk,khd->qhd", weights, v)
