"""Normalisation: by root mean square, and by mean and variance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from frameworkctl.interfaces.engine import ModelContext

from .direct import DirectModule


class RMSNorm(DirectModule):
    """``x / sqrt(mean(x^2) + eps) * weight`` (Zhang and Sennrich 2019).

    ``plus_one``: the checkpoint stores weight - 1. ``late_cast``: the product with the weight is taken in float32
    (always so with ``plus_one``), not in the model's dtype.
    """

    def __init__(
        self, ctx: ModelContext, name: str, size: int, eps: float, *, plus_one: bool = False, late_cast: bool = False
    ) -> None:
        super().__init__()
        self.ops = ctx.ops("rms_norm", dtype=ctx.dtype, size=size)
        self.eps = eps
        self.plus_one = plus_one
        self.late_cast = late_cast or plus_one
        self.weight = torch.empty(size, dtype=torch.float32 if plus_one else ctx.dtype, device=ctx.device)
        ctx.weights.add(f"{name}.weight", self._take)

    def _take(self, tensor: Tensor) -> None:
        self.weight.copy_(tensor)
        if self.plus_one:
            self.weight.add_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Over the last axis."""
        return self.ops.rms_norm(x, self.weight, self.eps, late_cast=self.late_cast)

    def add(self, x: Tensor, residual: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return ``(norm(x + residual), x + residual)``, ``(norm(x), x)`` for None; ``residual`` may be overwritten."""
        if residual is None:
            return self(x), x
        return self.ops.add_rms_norm(x, residual, self.weight, self.eps, late_cast=self.late_cast)


class LayerNorm(DirectModule):
    """``(x - mean) / sqrt(variance + eps) * weight + bias`` over the last axis, in float32 (Ba et al. 2016).

    ``names`` is one tensor name; or several, one for each of ``[..., len(names), size]`` rows (heads); or none, and
    then there is neither weight nor bias. A weight that the checkpoint holds as one ``[rows, size]`` tensor is taken
    with ``rows``. ``plus_one``: the checkpoint stores weight - 1.
    """

    def __init__(
        self,
        ctx: ModelContext,
        names: str | Sequence[str],
        size: int,
        eps: float,
        *,
        rows: int | None = None,
        bias: bool = True,
        plus_one: bool = False,
    ) -> None:
        super().__init__()
        self.ops = ctx.ops("layer_norm", dtype=ctx.dtype, size=size)
        self.eps, self.plus_one = eps, plus_one
        each = (names,) if isinstance(names, str) else tuple(names)
        shape = (size,) if isinstance(names, str) and rows is None else (rows or len(each), size)
        self.weight = torch.empty(shape, dtype=torch.float32, device=ctx.device) if each else None
        self.bias = torch.empty(shape, dtype=torch.float32, device=ctx.device) if each and bias else None
        for index, name in enumerate(each):
            at = index if len(each) > 1 else slice(None)
            ctx.weights.add(f"{name}.weight", partial(self._take, at))
            if bias:
                ctx.weights.add(f"{name}.bias", partial(self._take_bias, at))

    def _take(self, at: int | slice, tensor: Tensor) -> None:
        assert self.weight is not None
        self.weight[at] = tensor.to(self.weight) + float(self.plus_one)

    def _take_bias(self, at: int | slice, tensor: Tensor) -> None:
        assert self.bias is not None
        self.bias[at] = tensor.to(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Over the last axis."""
        return self.ops.layer_norm(x, self.weight, self.bias, self.eps)

    def add(self, x: Tensor, residual: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return ``(norm(x + residual), x + residual)``, ``(norm(x), x)`` for None; ``residual`` may be overwritten."""
        if residual is None:
            return self(x), x
        return self.ops.add_layer_norm(x, residual, self.weight, self.bias, self.eps)
