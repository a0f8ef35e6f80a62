"""A program that gives every kernel memory that ends, or begins, where nothing may be read: one step too far ends it.

``test_cpu_bounds.py`` runs it in a process of its own.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

import numpy as np
import torch
from frameworkctl_kernels.cpu.backend import CpuBackend
from frameworkctl_kernels.cpu.memory import Arena
from frameworkctl_kernels.protocol import GroupView, StepShape
from torch import Tensor

PAGE, NO_ACCESS = mmap.PAGESIZE, 0
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
LIBC = ctypes.CDLL(None, use_errno=True)


class Edge:
    """Tensors that touch a page which cannot be read: behind them, or before them."""

    def __init__(self, behind: bool) -> None:
        self.behind = behind

    def empty(self, *shape: Any, dtype: torch.dtype | None = None) -> Tensor:
        sizes = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
        dtype = dtype or torch.float32
        count = int(np.prod(sizes))
        if count == 0:
            return torch.zeros(sizes, dtype=dtype)
        size = count * dtype.itemsize
        room = -(-size // PAGE) * PAGE
        whole = mmap.mmap(-1, room + PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(whole))
        closed = start + (room if self.behind else 0)
        if LIBC.mprotect(ctypes.c_void_p(closed), ctypes.c_size_t(PAGE), NO_ACCESS):
            raise OSError(ctypes.get_errno(), "mprotect")
        offset = room - size if self.behind else PAGE
        return torch.frombuffer(whole, dtype=dtype, count=count, offset=offset).view(sizes)

    def put(self, x: Tensor) -> Tensor:
        return self.empty(x.shape, dtype=x.dtype).copy_(x)

    def randn(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return self.put(torch.randn(shape).to(dtype))

    def apart(self, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
        """Rows with something between them: the last, or the first, ends where all of it does."""
        whole = self.randn(rows, columns + 5, dtype=dtype)
        return whole[:, 5:] if self.behind else whole[:, :columns]

    def view(self, lens: list[int], block: int, table: Tensor, slots: Tensor) -> GroupView:
        return GroupView(
            "full", block, None, table.shape[1], torch.tensor(lens, dtype=torch.int32), table, slots, table[:, 0]
        )


def plan(backend: CpuBackend, edge: Edge, before: list[int], new: list[int], block: int) -> GroupView:
    totals = [b + n for b, n in zip(before, new, strict=True)]
    columns = -(-max(totals) // block)
    table = edge.put(torch.arange(len(new) * columns, dtype=torch.int32).flip(0).view(len(new), columns))
    slots = [int(table[s, t // block]) * block + t % block for s, total in enumerate(totals) for t in range(total)]
    view = edge.view(totals, block, table, edge.put(torch.tensor(slots)))
    counts, ends = np.array(new, dtype=np.int32), np.array(totals, dtype=np.int32)
    backend.plan(StepShape(sum(new), len(new), len(new), max(new), False, counts, ends), [view])
    return view


def products(backend: CpuBackend, edge: Edge, dtype: torch.dtype) -> None:
    for outputs, inputs in ((1, 1), (33, 31), (50, 66), (64, 130), (7, 257)):
        weight, bias = edge.apart(outputs, inputs, dtype), edge.randn(outputs, dtype=dtype)
        plain = backend.pack(weight)
        packed = [plain, *(backend.pack(weight, fmt) for fmt in ("int8", "int4"))]
        backend.lookup(plain, edge.put(torch.tensor([0, outputs - 1])))
        backend.lookup(packed[1], edge.put(torch.tensor([0, outputs - 1])))
        for rows in (*range(1, 14), 32):
            for x in (edge.randn(rows, inputs, dtype=dtype), edge.apart(rows, inputs, dtype)):
                for weights in packed:
                    backend.linear(x, weights, bias)
                    backend.linear(x, weights, None, edge.empty(rows, outputs))
    x, ids = edge.apart(9, 33, dtype), edge.put(torch.randint(0, 4, (9, 2)))
    for fmt in ("plain", "int8", "int4"):
        gate_up, down = edge.randn(4, 2 * 19, 33, dtype=dtype), edge.randn(4, 33, 19, dtype=dtype)
        experts = backend.pack_experts(gate_up, down, None, fmt)
        for tokens in (1, 9):
            backend.experts(x[9 - tokens :], edge.randn(tokens, 2).abs(), ids[9 - tokens :], experts, "silu")


def attentions(backend: CpuBackend, edge: Edge, dtype: torch.dtype) -> None:
    before, new = [0, 63, 200, 5], [5, 1, 1, 70]
    for block, dim, heads in ((16, 16, 4), (5, 17, 6), (16, 20, 14), (32, 64, 7), (3, 1, 2)):
        view = plan(backend, edge, before, new, block)
        pages = view.block_table.numel()
        pool = edge.empty(pages, 2 * block * 2 * dim * dtype.itemsize, dtype=torch.uint8).zero_()
        cache = backend.view_cache(pool, block_size=block, heads=2, head_dim=dim, dtype=dtype)
        tokens = view.slot_mapping.numel()
        backend.write_kv(*(edge.randn(tokens, 2, dim, dtype=dtype) for _ in range(2)), cache, view)
        if dim > 1:
            given = [edge.randn(tokens, count, dim, dtype=dtype) for count in (heads, 2, 2)]
            table = edge.randn(tokens, dim // 2 * 2, dtype=dtype)
            for interleaved in (False, True):
                backend.rotary_write_kv(*given, table, cache, view, interleaved=interleaved)
        query = edge.randn(sum(new), heads - heads % 2, dim, dtype=dtype)
        for options in ({}, {"window": 9, "softcap": 2.0, "sinks": edge.randn(query.shape[1])}):
            backend.attention(query, cache, 0, edge.empty(query.shape, dtype=dtype), scale=0.3, **options)
        latents = edge.empty(pages, block * dim * dtype.itemsize, dtype=torch.uint8).zero_()
        latent = backend.view_latent_cache(latents, block_size=block, dim=dim, dtype=dtype)
        backend.write_latent(edge.randn(tokens, dim, dtype=dtype), latent, view)
        out = edge.empty(sum(new), query.shape[1], max(1, dim - 3), dtype=dtype)
        backend.latent_attention(query, latent, 0, out, scale=0.3)
        keys = [edge.randn(sum(new), 2, dim, dtype=dtype) for _ in range(2)]
        backend.varlen_attention(query, *keys, edge.empty(query.shape, dtype=dtype), scale=0.3, window=7)


def rows(backend: CpuBackend, edge: Edge, dtype: torch.dtype) -> None:
    for size in (1, 2, 7, 15, 16, 17, 31, 33, 130):
        x, weight = edge.apart(3, size, dtype), edge.randn(size, dtype=dtype)
        backend.rms_norm(x, weight, 1e-5)
        backend.add_rms_norm(x, edge.randn(3, size, dtype=dtype), weight, 1e-5)
        backend.layer_norm(x, edge.randn(size), edge.randn(size), 1e-5)
        backend.add_layer_norm(x, edge.randn(3, size, dtype=dtype), edge.randn(size), edge.randn(size), 1e-5)
        for kind in ("silu", "gelu", "gelu_tanh", "relu", "relu2"):
            backend.activation(edge.randn(3, size, dtype=dtype), kind)
        for kind in ("silu", "gelu", "gelu_tanh", "relu", "relu2", "swiglu_oai"):
            backend.gated_activation(edge.apart(3, 2 * size, dtype), kind)
        for interleaved in (False, True):
            table = edge.randn(3, 2 * size, dtype=dtype)
            backend.rotary(edge.randn(3, 2, 2 * size, dtype=dtype), table, interleaved=interleaved)


def states(backend: CpuBackend, edge: Edge, dtype: torch.dtype) -> None:
    plan(backend, edge, [0, 0], [5, 1], 5)
    for channels, width in ((1, 4), (67, 3), (16, 16)):
        x = edge.apart(6, channels, dtype)
        weight, bias = edge.randn(channels, width), edge.randn(channels)
        backend.causal_conv(x, edge.randn(2, width - 1, channels), 0, weight, bias, activation="silu")
        b, c = (edge.apart(6, width, dtype) for _ in range(2))
        z, dt = (edge.apart(6, channels, dtype) for _ in range(2))
        backend.selective_scan(
            x,
            dt,
            b,
            c,
            z,
            edge.randn(2, channels, width),
            0,
            a=edge.randn(channels, width),
            d=edge.randn(channels),
            dt_bias=edge.randn(channels),
        )


def draws(backend: CpuBackend, edge: Edge) -> None:
    for count in (1, 7, 33, 1025, 5003):
        for top_k, top_p, min_p in ((0, 1.0, 0.0), (5, 1.0, 0.0), (0, 0.9, 0.0), (1, 0.5, 0.1), (2000, 0.9, 0.0)):
            given = np.full(3, min(top_k, count)), np.full(3, top_p), np.full(3, min_p), np.full(3, 0.7)
            backend.draw(edge.randn(3, count), *given)
        backend.top_logits(edge.randn(3, count), 9)


def main() -> None:
    backend, empty = CpuBackend("cpu"), torch.empty
    backend.kernels.fc_set_threads(2)
    for behind in (True, False):
        edge = Edge(behind)
        torch.manual_seed(0)
        torch.empty = edge.empty  # what the backend makes to write to
        Arena.take = lambda _, size, edge=edge: edge.empty(size, dtype=torch.uint8)
        for dtype in DTYPES:
            for run in (products, attentions, rows, states):
                print(run.__name__, dtype, "behind" if behind else "before", flush=True)
                run(backend, edge, dtype)
        print("draws", flush=True)
        draws(backend, edge)
        torch.empty = empty
    print("all within their bounds")


if __name__ == "__main__":
    sys.exit(main())
