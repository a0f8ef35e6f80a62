"""Attention on the compiled kernels: paged, latent, and both ways within a step."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from frameworkctl_kernels.cpu.compile.library import Library
from frameworkctl_kernels.protocol import GroupView, StepShape

from .capture import CannotCapture, KernelTape

TYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}
PAGES, ROWS, LATENT = 0, 1, 2
FIXED_KEYS = 1024  # where a row's keys are cut when nothing but the row may decide
I32, L, P, F = ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p, ctypes.c_float


class KV(ctypes.Structure):
    """``fc::KV``: where keys and values lie."""

    _fields_ = (
        ("place", I32),
        ("type", I32),
        ("keys", P),
        ("values", P),
        ("stride", L),
        ("head_stride", L),
        ("value_stride", L),
        ("value_head_stride", L),
        ("block", L),
        ("dim", L),
        ("value_dim", L),
    )


class StepCall(ctypes.Structure):
    """``fc::AttentionStep``: a group's sequences in this step."""

    _fields_ = (("seqs", L), ("query_start", P), ("seq_lens", P), ("table", P), ("table_stride", L))


class LayerCall(ctypes.Structure):
    """``fc::AttentionLayer``: what a layer's calls have in common."""

    _fields_ = (
        ("kv", KV),
        ("heads", L),
        ("kv_heads", L),
        ("window", L),
        ("fixed", L),
        ("sinks", P),
        ("scale", F),
        ("softcap", F),
        ("causal", I32),
    )


class PagedCache:
    """A layer's cache over ``pages [P, bytes]`` uint8 in the layout that source/kv.h describes; zero-copy.

    ``dim`` values of ``heads`` heads per token and half page, or, where ``latent``, one vector that is key and value.

    Raises:
        ValueError: the tokens of a block do not fit in a page.
    """

    __slots__ = ("address", "block_size", "calls", "dim", "heads", "kv", "pages", "type")

    def __init__(
        self, pages: Tensor, block_size: int, heads: int, dim: int, dtype: torch.dtype, *, latent: bool = False
    ) -> None:
        half = block_size * heads * dim * dtype.itemsize
        if pages.shape[1] < (half if latent else 2 * half) or pages.shape[1] % dtype.itemsize:
            what = "vectors" if latent else "keys and values"
            raise ValueError(f"a page of {pages.shape[1]} bytes does not hold {what} of {block_size} tokens")
        self.pages, self.block_size, self.heads, self.dim = pages, block_size, heads, dim
        self.type = TYPES[dtype]
        start = pages.data_ptr()
        self.kv = KV(
            LATENT if latent else PAGES,
            self.type,
            start,
            start if latent else start + half,
            pages.stride(0) // dtype.itemsize,
            0,
            0,
            0,
            block_size,
            dim,
            dim,
        )
        self.address = ctypes.addressof(self.kv)
        self.calls: dict[tuple[Any, ...], LayerCall] = {}


class CompiledAttention:
    """The attention operations of the protocol; a part of CpuBackend."""

    kernels: Library
    deterministic: bool | None = False

    def __init__(self) -> None:
        self._steps: list[StepCall] = []
        self._addresses: list[int] = []
        self._kept: tuple[Any, ...] = ()
        self._state_slots: dict[int, Tensor] = {}
        self._both_ways: dict[tuple[Any, ...], LayerCall] = {}

    def plan(self, shape: StepShape, groups: Sequence[GroupView]) -> None:
        starts = np.zeros(shape.seqs + 1, dtype=np.int64)
        np.cumsum(shape.query_lens, out=starts[1:])
        lens = np.ascontiguousarray(shape.seq_lens, dtype=np.int32)
        tables = [view.block_table for view in groups]
        if len(self._steps) != len(groups) + 1:
            self._steps = [StepCall() for _ in range(len(groups) + 1)]  # the last is for what has no cache
            self._addresses = [ctypes.addressof(step) for step in self._steps]
        for step, table in zip(self._steps, [*tables, None], strict=True):  # in place: recorded steps know where it is
            step.seqs, step.query_start, step.seq_lens = shape.seqs, starts.ctypes.data, lens.ctypes.data
            step.table, step.table_stride = (None, 0) if table is None else (table.data_ptr(), table.stride(0))
        self._kept = (starts, lens, tables)
        self._state_slots = {i: view.state_slot for i, view in enumerate(groups) if view.state_slot is not None}

    def view_cache(self, pages: Tensor, *, block_size: int, heads: int, head_dim: int, dtype: torch.dtype) -> Any:
        return PagedCache(pages, block_size, heads, head_dim, dtype)

    def write_kv(self, key: Tensor, value: Tensor, cache: PagedCache, view: GroupView) -> None:
        key, value = _rows(key), _rows(value)
        token, head, _ = key.stride()
        value_token, value_head, _ = value.stride()
        self.kernels.fc_write_kv(
            cache.address,
            cache.heads,
            key.data_ptr(),
            token,
            head,
            value.data_ptr(),
            value_token,
            value_head,
            view.slot_mapping.data_ptr(),
            len(key),
        )

    def rotary_write_kv(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        cos_sin: Tensor,
        cache: PagedCache,
        view: GroupView,
        *,
        interleaved: bool = False,
    ) -> None:
        query_token, query_head, step = query.stride()
        if step != 1:
            dense = query.contiguous()
            self.rotary_write_kv(dense, key, value, cos_sin, cache, view, interleaved=interleaved)
            query.copy_(dense)
            return
        if cos_sin.dtype is not query.dtype:
            cos_sin = cos_sin.to(query.dtype)
        key, value = _rows(key), _rows(value)
        key_token, key_head, _ = key.stride()
        value_token, value_head, _ = value.stride()
        tokens, heads, _ = query.shape
        turn, width = cos_sin.stride(0), cos_sin.shape[1]
        self.kernels.fc_rotary_write_kv(
            cache.address,
            cache.heads,
            query.data_ptr(),
            heads,
            query_token,
            query_head,
            key.data_ptr(),
            key_token,
            key_head,
            value.data_ptr(),
            value_token,
            value_head,
            cos_sin.data_ptr(),
            turn,
            width // 2,
            interleaved,
            view.slot_mapping.data_ptr(),
            tokens,
        )

    def attention(
        self,
        query: Tensor,
        cache: PagedCache,
        group: int,
        out: Tensor,
        *,
        scale: float,
        causal: bool = True,
        window: int | None = None,
        softcap: float | None = None,
        sinks: Tensor | None = None,
    ) -> Tensor:
        heads = query.shape[1]
        key = (heads, scale, causal, window, softcap, None if sinks is None else sinks.data_ptr())
        call = cache.calls.get(key)
        if call is None:
            call = cache.calls[key] = self._layer(
                cache.kv, heads, cache.heads, scale, causal, window if causal else None, softcap, key[-1]
            )
        return self._run(call, group, query, out)

    def view_latent_cache(self, pages: Tensor, *, block_size: int, dim: int, dtype: torch.dtype) -> Any:
        return PagedCache(pages, block_size, 1, dim, dtype, latent=True)

    def write_latent(self, latent: Tensor, cache: PagedCache, view: GroupView) -> None:
        latent = latent if latent.stride(1) == 1 else latent.contiguous()
        self.kernels.fc_write_latent(
            cache.address, latent.data_ptr(), latent.stride(0), view.slot_mapping.data_ptr(), latent.shape[0]
        )

    def latent_attention(self, query: Tensor, cache: PagedCache, group: int, out: Tensor, *, scale: float) -> Tensor:
        key = (query.shape[1], scale, out.shape[2])
        call = cache.calls.get(key)
        if call is None:
            call = cache.calls[key] = self._layer(cache.kv, query.shape[1], 1, scale, True, None, None, None)
            call.kv.value_dim = out.shape[2]
        return self._run(call, group, query, out)

    def varlen_attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        out: Tensor,
        *,
        scale: float,
        window: int | None = None,
        softcap: float | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        assert bias is None, "supports() said no"
        if isinstance(self.kernels, KernelTape):
            raise CannotCapture("attention both ways is told where its tensors lie in memory that calls share")
        key, value = _rows(key), _rows(value)
        facts = (query.shape[1], key.shape[1:], value.shape[2], query.dtype, scale, window, softcap)
        call = self._both_ways.get(facts)
        if call is None:
            kv = KV(ROWS, TYPES[query.dtype], block=1, dim=key.shape[2], value_dim=value.shape[2])
            call = self._layer(kv, query.shape[1], key.shape[1], scale, False, window, softcap, None)
            self._both_ways[facts] = call
        kv = call.kv
        kv.keys, kv.stride, kv.head_stride = key.data_ptr(), key.stride(0), key.stride(1)
        kv.values, kv.value_stride, kv.value_head_stride = value.data_ptr(), value.stride(0), value.stride(1)
        return self._run(call, -1, query, out)

    def _layer(
        self,
        kv: KV,
        heads: int,
        kv_heads: int,
        scale: float,
        causal: bool,
        window: int | None,
        softcap: float | None,
        sinks: int | None,
    ) -> LayerCall:
        return LayerCall(
            kv,
            heads,
            kv_heads,
            -1 if window is None else window,
            FIXED_KEYS if self.deterministic else 0,
            sinks,
            scale,
            softcap or 0.0,
            causal,
        )

    def _run(self, call: LayerCall, group: int, query: Tensor, out: Tensor) -> Tensor:
        token, head, step = query.stride()
        if step != 1:
            query = query.contiguous()
            token, head, _ = query.stride()
        target, (rows, heads, dim) = out, out.shape
        out_token, *inner = out.stride()
        if inner != [dim, 1]:
            target, out_token = torch.empty(rows, heads, dim, dtype=out.dtype), heads * dim
        self.kernels.fc_attention(
            self._addresses[group], ctypes.addressof(call), query.data_ptr(), token, head, target.data_ptr(), out_token
        )
        return out if target is out else out.copy_(target)


def _rows(x: Tensor) -> Tensor:
    """Return ``x [T, heads, D]`` with the numbers of a head back to back."""
    return x if x.stride(2) == 1 else x.contiguous()
