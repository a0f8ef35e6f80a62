"""Bidirectional attention within a step's sequences, without a cache, in plain torch; buckets as in attention.py."""

from __future__ import annotations

import torch
from torch import Tensor

from .attention import AttentionPlan, Bucket, _fused, _manual


def attend_both_ways(
    plan: AttentionPlan,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    *,
    scale: float,
    window: int | None,
    softcap: float | None,
    bias: Tensor | None = None,
) -> Tensor:
    """See the protocol; ``plan`` is that of the step."""
    for bucket in plan.buckets:
        shape = (bucket.count, bucket.query)
        q, k, v = (t[bucket.gather].view(*shape, *t.shape[1:]) for t in (query, key, value))
        k, v = k.transpose(1, 2), v.transpose(1, 2)
        mask = _mask(bucket, window, bias, query.dtype)
        result = _fused(q, k, v, mask, scale) if softcap is None else _manual(q, k, v, mask, scale, softcap, None)
        flat = result.flatten(0, 1)
        out.index_copy_(0, bucket.tokens, flat if bucket.valid is None else flat[bucket.valid])
    return out


def _mask(bucket: Bucket, window: int | None, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Return ``[n, 1 or H, query, query]``: the bias where a token sees another, -inf elsewhere; made once per step."""
    key = (window, 0 if bias is None else bias.data_ptr())
    found = bucket.both_ways.get(key)
    if found is None:
        place = torch.arange(bucket.query, device=bucket.gather.device)
        lens = bucket.positions[:, -1] - bucket.positions[:, 0] + 1
        seen = (place < lens[:, None])[:, None, :].expand(-1, bucket.query, -1)
        if window is not None:
            # A padded query repeats the last token's position, so that it sees what that one sees.
            here = bucket.positions - bucket.positions[:, :1]
            seen = seen & ((here[:, :, None] - place).abs() <= window)
        added = torch.zeros((), dtype=dtype, device=place.device)
        if bias is not None:
            reach = bias.shape[1] // 2
            added = bias[:, (place - place[:, None]).clamp_(-reach, reach) + reach].to(dtype)
        found = torch.where(seen[:, None], added, float("-inf"))
        bucket.both_ways[key] = found
    return found
