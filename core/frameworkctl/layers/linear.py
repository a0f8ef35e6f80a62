"""Linear layers, whole or split over ranks; weights are packed by the backend as soon as they are complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from frameworkctl_kernels.protocol import Packed
from torch import Tensor

from frameworkctl.interfaces.engine import ModelContext

from .direct import DirectModule


@dataclass(frozen=True, slots=True)
class Part:
    """One checkpoint tensor of a fused weight: rows ``[offset, offset + size)`` come from rows ``start`` on."""

    name: str
    offset: int
    start: int
    size: int


class Linear(DirectModule):
    """``y = x W^T + b`` with W stacked from ``parts``; columns ``[in_start, in_start + in_size)`` of each are taken.

    The weight lives in ``packed`` only; what was collected to make it is dropped.
    """

    def __init__(
        self,
        ctx: ModelContext,
        parts: Sequence[Part],
        in_start: int,
        in_size: int,
        *,
        bias: bool,
        fmt: str | None = None,
    ) -> None:
        super().__init__()
        self.ctx = ctx
        self.in_start, self.in_size = in_start, in_size
        self.out_size = sum(p.size for p in parts)
        self.format = fmt or ctx.weight_format
        self.ops = ctx.ops("linear", dtype=ctx.dtype, out_size=self.out_size, in_size=in_size, fmt=self.format)
        self.packed: Packed | None = None
        self.bias: Tensor | None = None
        self._weight: Tensor | None = None
        self._bias: Tensor | None = None
        self._waiting = {p.name for p in parts}
        self._waiting_bias = {p.name for p in parts} if bias else set()
        self._parts = tuple(parts)
        for name in dict.fromkeys(p.name for p in parts):
            ctx.weights.add(f"{name}.weight", partial(self._take, name))
            if bias:
                ctx.weights.add(f"{name}.bias", partial(self._take_bias, name))

    def _take(self, name: str, tensor: Tensor) -> None:
        if self._weight is None:
            self._weight = torch.empty(self.out_size, self.in_size, dtype=self.ctx.dtype, device=self.ctx.device)
        whole = max(part.start + part.size for part in self._parts if part.name == name), self.in_size
        if self.ctx.world.size == 1 and tensor.shape != whole:
            raise ValueError(f"{list(whole)} is wanted")
        columns = tensor.narrow(1, self.in_start, self.in_size)
        for part in self._parts:
            if part.name == name:
                self._weight[part.offset : part.offset + part.size].copy_(columns.narrow(0, part.start, part.size))
        self._waiting.discard(name)
        if not self._waiting:
            self.packed, self._weight = self.ops.pack(self._weight, self.format), None

    def _take_bias(self, name: str, tensor: Tensor) -> None:
        if self._bias is None:
            self._bias = torch.empty(self.out_size, dtype=self.ctx.dtype, device=self.ctx.device)
        for part in self._parts:
            if part.name == name:
                self._bias[part.offset : part.offset + part.size].copy_(tensor.narrow(0, part.start, part.size))
        self._waiting_bias.discard(name)
        if not self._waiting_bias:
            self.bias, self._bias = self._bias, None

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x [T, in]`` -> ``[T, out]``."""
        assert self.packed is not None, "weights are loaded first"
        return self.ops.linear(x, self.packed, self.bias)


def _stack(names_sizes: Sequence[tuple[str, int, int]]) -> list[Part]:
    """Return (name, start, size) of each part, one below the other."""
    parts, offset = [], 0
    for name, start, size in names_sizes:
        parts.append(Part(name, offset, start, size))
        offset += size
    return parts


def _share(what: str, total: int, ctx: ModelContext) -> int:
    if total % ctx.world.size:
        raise ValueError(f"{what} ({total}) cannot be split over {ctx.world.size} ranks")
    return total // ctx.world.size


class ColumnLinear(Linear):
    """Each rank computes its share of the outputs."""

    def __init__(self, ctx: ModelContext, name: str, in_size: int, out_size: int, *, bias: bool = False) -> None:
        share = _share(name, out_size, ctx)
        super().__init__(ctx, _stack([(name, ctx.world.rank * share, share)]), 0, in_size, bias=bias)


class ReplicatedLinear(Linear):
    """Every rank computes all outputs (a router, a gate of one value); its weight is never rounded."""

    def __init__(self, ctx: ModelContext, name: str, in_size: int, out_size: int, *, bias: bool = False) -> None:
        super().__init__(ctx, _stack([(name, 0, out_size)]), 0, in_size, bias=bias, fmt="plain")


class GateUpLinear(Linear):
    """The two input matrices of a gated MLP in one product: ``[T, 2 I]``, gate first; split over ranks.

    Where ``gate`` and ``up`` are the same name, the checkpoint holds both in that tensor, gate first.
    """

    def __init__(
        self, ctx: ModelContext, gate: str, up: str, in_size: int, out_size: int, *, bias: bool = False
    ) -> None:
        share = _share(gate, out_size, ctx)
        start = ctx.world.rank * share
        up_start = start + (out_size if gate == up else 0)
        super().__init__(ctx, _stack([(gate, start, share), (up, up_start, share)]), 0, in_size, bias=bias)


class QKVLinear(Linear):
    """Queries, keys and values in one product: ``[T, (H + 2 K) D]``; heads split over ranks.

    Where there are fewer key heads than ranks, ranks share them. Where the three names are one, the checkpoint holds
    queries, keys and values in that tensor, in this order.
    """

    def __init__(
        self,
        ctx: ModelContext,
        names: tuple[str, str, str],
        in_size: int,
        heads: int,
        kv_heads: int,
        head_dim: int,
        *,
        bias: bool = False,
    ) -> None:
        world = ctx.world
        own_heads = _share("attention heads", heads, ctx)
        own_kv_heads = max(1, kv_heads // world.size)
        if kv_heads % world.size and world.size % kv_heads:
            raise ValueError(f"{kv_heads} key heads cannot be split over {world.size} ranks")
        kv_start = world.rank * kv_heads // world.size * head_dim
        q, k, v = names
        k_base, v_base = (heads * head_dim, (heads + kv_heads) * head_dim) if q == k == v else (0, 0)
        parts = _stack(
            [
                (q, world.rank * own_heads * head_dim, own_heads * head_dim),
                (k, k_base + kv_start, own_kv_heads * head_dim),
                (v, v_base + kv_start, own_kv_heads * head_dim),
            ]
        )
        super().__init__(ctx, parts, 0, in_size, bias=bias)
        self.heads, self.kv_heads = own_heads, own_kv_heads


class RowLinear(Linear):
    """Each rank holds its share of the inputs; results are summed over ranks, the bias added once."""

    def __init__(self, ctx: ModelContext, name: str, in_size: int, out_size: int, *, bias: bool = False) -> None:
        share = _share(name, in_size, ctx)
        super().__init__(ctx, _stack([(name, 0, out_size)]), ctx.world.rank * share, share, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        assert self.packed is not None, "weights are loaded first"
        if self.ctx.world.size == 1:
            return self.ops.linear(x, self.packed, self.bias)
        y = self.ctx.world.all_reduce(self.ops.linear(x, self.packed, None))
        return y if self.bias is None else y.add_(self.bias)
