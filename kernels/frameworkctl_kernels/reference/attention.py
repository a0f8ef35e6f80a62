"""Batched attention over paged keys and values in plain torch; op calls do not grow with the number of sequences.

Sequences are put into buckets by query length (one token; then powers of two), each padded to its longest member, so
that a long prefill beside many decodes does not pad them all. Pages are gathered once per bucket and layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from frameworkctl_kernels.protocol import GroupView, StepShape


@dataclass(slots=True)
class PagedCache:
    """A layer's cache: ``rows [P * halves, block_size * K * D]``; a page's keys come first, its values next.

    ``halves`` is how many such rows a page has: 2, or more where the pool's pages are larger than this layer needs.
    """

    rows: Tensor
    slots: Tensor  # the same memory, one row per token: [P * halves * block_size, K * D]
    halves: int
    block_size: int
    heads: int
    head_dim: int

    def read(self, pages: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values ``[n, K, B * block_size, D]`` of ``pages [n, B]``."""
        shape = (pages.shape[0], pages.shape[1] * self.block_size, self.heads, self.head_dim)
        rows = (pages * self.halves).flatten()
        k = self.rows.index_select(0, rows).view(shape).transpose(1, 2)
        v = self.rows.index_select(0, rows + 1).view(shape).transpose(1, 2)
        return k, v


class Readable(Protocol):
    """A layer's cache, whatever its layout."""

    def read(self, pages: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values ``[n, K, tokens, D]`` of ``pages [n, B]``."""


def view_cache(pages: Tensor, block_size: int, heads: int, head_dim: int, dtype: torch.dtype) -> PagedCache:
    """Return ``pages [P, bytes]`` uint8 as a PagedCache; raises ValueError where a page is no whole number of half
    pages.
    """
    typed = pages.view(dtype)
    half = block_size * heads * head_dim
    if typed.shape[1] % half or typed.shape[1] < 2 * half:
        raise ValueError(f"a page of {typed.shape[1]} values does not hold whole halves of {half}")
    return PagedCache(
        typed.view(-1, half), typed.view(-1, heads * head_dim), typed.shape[1] // half, block_size, heads, head_dim
    )


@dataclass(slots=True)
class GroupGather:
    """The pages that a bucket's sequences read of one group: row numbers of keys, and where they begin.

    ``pages [n, B]``; ``first_key [n]`` is the position of the first gathered token; ``keys`` B * block_size.
    """

    pages: Tensor
    first_key: Tensor
    keys: int
    masks: dict[tuple[bool, int | None], Tensor] = field(default_factory=dict)


@dataclass(slots=True)
class Bucket:
    """Sequences of similar query length, padded to ``query`` tokens each.

    ``gather [n, query]`` are their tokens' positions in the batch (a padded one repeats the last); ``valid`` picks the
    real ones out of the flattened [n * query] (None: all are), ``tokens`` are where these belong in the batch.
    """

    query: int
    count: int
    gather: Tensor
    valid: Tensor | None
    tokens: Tensor
    positions: Tensor  # [n, query] of each query token in its sequence
    seq_lens: Tensor  # [n]
    whole_prompt: bool  # a single sequence from its start: causal without a mask
    groups: dict[int, GroupGather]  # by the group's number; none for recurrent state
    # Masks of attention without a cache, by window and address of the bias.
    both_ways: dict[tuple[int | None, int], Tensor] = field(default_factory=dict)


class AttentionPlan:
    """State that one step's attention calls share: buckets, page lists and masks."""

    def __init__(self, shape: StepShape, groups: Sequence[GroupView], device: torch.device) -> None:
        self.shape = shape
        self.device = device
        self.direct = shape.decode_only and shape.tokens == shape.seqs  # token i is sequence i
        starts = np.zeros(shape.seqs, dtype=np.int64)
        np.cumsum(shape.query_lens[:-1], out=starts[1:])
        self.buckets = [self._bucket(members, starts, groups) for members in _members_by_length(shape.query_lens)]

    def _tensor(self, array: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def _bucket(self, members: NDArray[np.int64], starts: NDArray[np.int64], groups: Sequence[GroupView]) -> Bucket:
        lens = self.shape.query_lens[members].astype(np.int64)
        totals = self.shape.seq_lens[members].astype(np.int64)
        query = int(lens.max())
        steps = np.minimum(np.arange(query, dtype=np.int64)[None], lens[:, None] - 1)
        padded = bool((lens != query).any())
        valid = np.flatnonzero(np.arange(query)[None] < lens[:, None]) if padded else None
        gather = starts[members][:, None] + steps
        return Bucket(
            query=query,
            count=len(members),
            gather=self._tensor(gather),
            valid=None if valid is None else self._tensor(valid),
            tokens=self._tensor(gather.ravel() if valid is None else gather.ravel()[valid]),
            positions=self._tensor((totals - lens)[:, None] + steps),
            seq_lens=self._tensor(totals),
            whole_prompt=len(members) == 1 and int(lens[0]) == int(totals[0]),
            groups={
                number: self._gather(view, members, lens, totals)
                for number, view in enumerate(groups)
                if view.state_slot is None
            },
        )

    def _gather(
        self, view: GroupView, members: NDArray[np.int64], lens: NDArray[np.int64], totals: NDArray[np.int64]
    ) -> GroupGather:
        """Return the pages that some query of the sequence can see: a window's are its last ones."""
        size = view.block_size
        first = np.zeros_like(totals)
        if view.window is not None:
            first = np.maximum(totals - lens - view.window + 1, 0) // size
        count = int((-(-totals // size) - first).max())
        # Beyond a sequence's own pages its last one is repeated: what is masked must be its own memory too.
        columns = np.minimum(first[:, None] + np.arange(count, dtype=np.int64)[None], ((totals - 1) // size)[:, None])
        rows = self._tensor(members)[:, None]
        pages = view.block_table[rows, self._tensor(columns)].long()
        return GroupGather(pages, self._tensor(first * size), count * size)

    def mask(self, bucket: Bucket, group: int, causal: bool, window: int | None, dtype: torch.dtype) -> Tensor:
        """Return ``[n, 1, query, keys]``: 0 where a query sees a key, -inf elsewhere; made once per step and group."""
        gather = bucket.groups[group]
        found = gather.masks.get((causal, window))
        if found is None:
            keys = gather.first_key[:, None] + torch.arange(gather.keys, device=self.device)[None]
            if causal:
                behind = bucket.positions[:, :, None] - keys[:, None, :]
                seen = behind >= 0
                if window is not None:
                    seen &= behind < window
            else:
                seen = (keys < bucket.seq_lens[:, None])[:, None, :].expand(-1, bucket.query, -1)
            found = torch.zeros(seen.shape, dtype=dtype, device=self.device).masked_fill_(~seen, float("-inf"))[:, None]
            gather.masks[causal, window] = found
        return found


def _members_by_length(query_lens: NDArray[np.int32]) -> list[NDArray[np.int64]]:
    """Indices of sequences with tokens in this step, one array per power of two of their count."""
    out = []
    power = np.zeros(len(query_lens), dtype=np.int64)
    busy = query_lens > 0
    power[busy] = np.ceil(np.log2(query_lens[busy])).astype(np.int64) + 1
    for p in np.unique(power[busy]):
        out.append(np.flatnonzero(power == p))
    return out


def write_kv(key: Tensor, value: Tensor, cache: PagedCache, view: GroupView) -> None:
    """See the protocol."""
    size = cache.block_size
    page = torch.div(view.slot_mapping, size, rounding_mode="floor")
    rows = view.slot_mapping + page * (size * (cache.halves - 1))
    cache.slots.index_copy_(0, rows, key.flatten(1))
    cache.slots.index_copy_(0, rows + size, value.flatten(1))


def attend(
    plan: AttentionPlan,
    query: Tensor,
    cache: Readable,
    group: int,
    out: Tensor,
    *,
    scale: float,
    causal: bool,
    window: int | None,
    softcap: float | None,
    sinks: Tensor | None,
) -> Tensor:
    """See the protocol; ``plan`` is that of the step. Of the values, the first ``out.shape[-1]`` of each are taken."""
    for bucket in plan.buckets:
        k, v = cache.read(bucket.groups[group].pages)
        q = query if plan.direct else query[bucket.gather]
        q = q.view(bucket.count, bucket.query, query.shape[1], query.shape[2])
        plain = softcap is None and sinks is None
        if plain and causal and bucket.whole_prompt and (window is None or bucket.query <= window):
            result = _causal(q, k, v, scale)
        else:
            mask = plan.mask(bucket, group, causal, window, query.dtype)
            result = _fused(q, k, v, mask, scale) if plain else _manual(q, k, v, mask, scale, softcap, sinks)
        flat = result.flatten(0, 1)[..., : out.shape[-1]]
        if plan.direct:
            out.copy_(flat)
        else:
            out.index_copy_(0, bucket.tokens, flat if bucket.valid is None else flat[bucket.valid])
    return out


def _causal(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Return one whole prompt: ``q [1, Q, H, D]``, keys cut to Q."""
    n = q.shape[1]
    return F.scaled_dot_product_attention(
        q.transpose(1, 2), k[:, :, :n], v[:, :, :n], is_causal=True, scale=scale, enable_gqa=True
    ).transpose(1, 2)


def _fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Return ``q [n, Q, H, D]``, ``k, v [n, K, S, D]`` -> ``[n, Q, H, D]`` through torch's fused kernel."""
    n, length, heads, dim = q.shape
    if length == 1 and mask.shape[1] == 1:  # the query heads of one key head as its queries: no copy of keys
        grouped = q.view(n, k.shape[1], heads // k.shape[1], dim)
        return F.scaled_dot_product_attention(grouped, k, v, attn_mask=mask, scale=scale).reshape(n, 1, heads, dim)
    return F.scaled_dot_product_attention(
        q.transpose(1, 2), k, v, attn_mask=mask, scale=scale, enable_gqa=True
    ).transpose(1, 2)


def _manual(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float, softcap: float | None, sinks: Tensor | None
) -> Tensor:
    """Return the same with softcap and sinks, scores in float32."""
    n, length, heads, dim = q.shape
    grouped = q.view(n, length, k.shape[1], -1, dim).permute(0, 2, 3, 1, 4)  # [n, K, G, Q, D]
    scores = torch.matmul(grouped, k[:, :, None].transpose(-1, -2)).float() * scale
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    of_head = mask[:, :, None] if mask.shape[1] == 1 else mask.view(len(mask), k.shape[1], -1, *mask.shape[2:])
    scores = scores + of_head.float()
    if sinks is not None:
        logit = sinks.float().view(1, k.shape[1], -1, 1, 1).expand(*scores.shape[:-1], 1)
        weights = torch.softmax(torch.cat([scores, logit], dim=-1), dim=-1)[..., :-1]
    else:
        weights = torch.softmax(scores, dim=-1)
    mixed = torch.matmul(weights.to(v.dtype), v[:, :, None])
    return mixed.permute(0, 3, 1, 2, 4).reshape(n, length, heads, dim)
