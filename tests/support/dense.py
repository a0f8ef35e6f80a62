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
