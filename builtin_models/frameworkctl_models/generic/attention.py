"""Paged attention of one Hugging Face module, with the shapes that its first call showed."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from frameworkctl.interfaces.engine import Batch, CacheLayer, ModelContext
from torch import Tensor, nn

from .interface import Call


class PagedAttention:
    """One module's place in the cache. ``width`` is that of keys and of values, the narrower of which is padded: zeros
    add nothing to a product, and what they become of values is cut off."""

    def __init__(
        self, ctx: ModelContext, heads: int, kv_heads: int, key_width: int, value_width: int, call: Call
    ) -> None:
        self.kv_heads, self.dtype, self.window = kv_heads, ctx.dtype, call.window
        self.width, self.value_width = max(key_width, value_width), value_width
        self.cache_layer = CacheLayer("full" if call.window is None else "window", kv_heads, self.width, call.window)
        self.ops = ctx.ops(
            "attention",
            dtype=ctx.dtype,
            heads=heads,
            kv_heads=kv_heads,
            head_dim=self.width,
            window=call.window,
            softcap=call.softcap,
            sinks=call.sinks is not None,
        )
        self.cache: Any = None
        self.group = -1

    def bind(self, pages: Tensor, group: int, block_size: int) -> None:
        """Bind ``pages [P, bytes]`` uint8 to this module."""
        self.group = group
        self.cache = self.ops.view_cache(
            pages, block_size=block_size, heads=self.kv_heads, head_dim=self.width, dtype=self.dtype
        )

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, call: Call, batch: Batch) -> Tensor:
        q, k, v = (self._fit(x) for x in (query, key, value))
        self.ops.write_kv(k, v, self.cache, batch.groups[self.group])
        out = torch.empty_like(q)
        self.ops.attention(
            q, self.cache, self.group, out, scale=call.scale, window=self.window, softcap=call.softcap, sinks=call.sinks
        )
        return out[..., : self.value_width].to(query.dtype)

    def _fit(self, x: Tensor) -> Tensor:
        """Contiguous, in the cache's type and width."""
        missing = self.width - x.shape[-1]
        return F.pad(x.to(self.dtype), (0, missing)) if missing else x.to(self.dtype).contiguous()


class Paged:
    """Answers the modules of one forward."""

    def __init__(self, layers: dict[nn.Module, PagedAttention], batch: Batch) -> None:
        self.layers, self.batch = layers, batch

    def __call__(self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, call: Call) -> Tensor:
        return self.layers[module](query, key, value, call, self.batch)
