"""Attention over a layer's paged cache."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from frameworkctl.interfaces.engine import Batch, CacheLayer, GroupView, ModelContext
from frameworkctl.layers.direct import DirectModule


class Attention(DirectModule):
    """Stores a step's keys and values in the layer's pages and attends over them; causal.

    ``heads`` and ``kv_heads`` are those of this rank. ``rotary``: queries and keys are rotated first, by the table that
    ``forward`` is given; ``interleaved`` as of the operation. ``sinks`` is the checkpoint's name of one logit per head,
    of all ranks, that takes part in the softmax and has no value (Xiao et al. 2023; learned, as in gpt-oss). Bound once
    to its pages and group when the cache is made.
    """

    def __init__(
        self,
        ctx: ModelContext,
        heads: int,
        kv_heads: int,
        head_dim: int,
        *,
        scale: float,
        window: int | None = None,
        softcap: float | None = None,
        sinks: str | None = None,
        rotary: bool = False,
        interleaved: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        self.scale, self.window, self.softcap = scale, window, softcap
        self.cache_layer = CacheLayer("full" if window is None else "window", kv_heads, head_dim, window)
        self.dtype = ctx.dtype
        self.ops = ctx.ops(
            "attention",
            dtype=ctx.dtype,
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            window=window,
            softcap=softcap,
            sinks=sinks is not None,
        )
        self.interleaved = interleaved
        self.rotary_ops = (
            ctx.ops("rotary", dtype=ctx.dtype, head_dim=head_dim, interleaved=interleaved) if rotary else None
        )
        self.sinks: Tensor | None = None
        if sinks is not None:
            self.sinks = torch.empty(heads, dtype=torch.float32, device=ctx.device)
            ctx.weights.add(sinks, partial(self._take_sinks, ctx.world.rank * heads))
        self.cache: Any = None
        self.group = -1

    def _take_sinks(self, start: int, tensor: Tensor) -> None:
        assert self.sinks is not None
        self.sinks.copy_(tensor.narrow(0, start, self.heads))

    def bind(self, pages: Tensor, group: int, block_size: int) -> None:
        """Bind ``pages [P, bytes]`` uint8 to this layer."""
        self.group = group
        self.cache = self.ops.view_cache(
            pages, block_size=block_size, heads=self.kv_heads, head_dim=self.head_dim, dtype=self.dtype
        )

    def forward(self, q: Tensor, k: Tensor, v: Tensor, batch: Batch, cos_sin: Tensor | None = None) -> Tensor:
        """Return ``q [T, H, D]``, ``k`` and ``v [T, K, D]`` -> ``[T, H * D]``.

        ``cos_sin [T, R]``, rows of a RotaryTable: with ``rotary``; ``q`` and ``k`` are overwritten then.
        """
        self._store(q, k, v, batch.groups[self.group], cos_sin)
        out = q.new_empty(q.shape[0], self.heads * self.head_dim)
        self.ops.attention(
            q,
            self.cache,
            self.group,
            out.view(-1, self.heads, self.head_dim),
            scale=self.scale,
            window=self.window,
            softcap=self.softcap,
            sinks=self.sinks,
        )
        return out

    def _store(self, q: Tensor, k: Tensor, v: Tensor, view: GroupView, cos_sin: Tensor | None) -> None:
        if cos_sin is None:
            self.ops.write_kv(k, v, self.cache, view)
        elif self.rotary_ops is self.ops:
            self.ops.rotary_write_kv(q, k, v, cos_sin, self.cache, view, interleaved=self.interleaved)
        else:  # another backend rotates than keeps the cache
            assert self.rotary_ops is not None, "the layer was built without rotary"
            self.rotary_ops.rotary(q, cos_sin, interleaved=self.interleaved)
            self.rotary_ops.rotary(k, cos_sin, interleaved=self.interleaved)
            self.ops.write_kv(k, v, self.cache, view)
