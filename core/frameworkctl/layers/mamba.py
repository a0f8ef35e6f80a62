"""The first Mamba's mixer: a causal convolution and a selective scan whose state is kept per sequence."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from frameworkctl.interfaces.engine import Batch, CacheLayer, ModelContext

from .linear import ColumnLinear, GateUpLinear, RowLinear
from .norm import RMSNorm


class MambaMixer(nn.Module):
    """``out(scan(silu(conv(u)), dt, B, C) * silu(z))`` with ``u, z = in(x)`` (Gu and Dao 2023, section 3).

    ``inner`` channels of ``state`` values each, split over ranks; ``width`` inputs per convolution; the step size dt
    has rank ``dt_rank``. ``norm_eps``: dt, B and C are normalised before use (Jamba), None: they are not. A sequence
    keeps ``[width - 1, inner]`` inputs of the convolution and ``[inner, state]`` values of the scan in float32,
    whatever the model's dtype: rounding would add up over the tokens.
    """

    def __init__(
        self,
        ctx: ModelContext,
        name: str,
        hidden: int,
        inner: int,
        *,
        state: int,
        width: int,
        dt_rank: int,
        conv_bias: bool = True,
        bias: bool = False,
        norm_eps: float | None = None,
    ) -> None:
        super().__init__()
        self.split = [dt_rank, state, state]
        self.projection = GateUpLinear(ctx, f"{name}.in_proj", f"{name}.in_proj", hidden, inner, bias=bias)
        self.inner = self.projection.out_size // 2  # of this rank
        self.selection = RowLinear(ctx, f"{name}.x_proj", inner, sum(self.split))
        self.dt_projection = ColumnLinear(ctx, f"{name}.dt_proj", dt_rank, inner)
        self.output = RowLinear(ctx, f"{name}.out_proj", inner, hidden, bias=bias)
        self.norms: nn.ModuleList | None = None
        if norm_eps is not None:
            parts = zip(("dt", "b", "c"), self.split, strict=True)
            self.norms = nn.ModuleList(RMSNorm(ctx, f"{name}.{p}_layernorm", size, norm_eps) for p, size in parts)
        self._first = ctx.world.rank * self.inner
        self.dt_bias, self.skip = self._take(ctx, f"{name}.dt_proj.bias"), self._take(ctx, f"{name}.D")
        self.decay = self._take(ctx, f"{name}.A_log", state)
        self.conv_weight = self._take(ctx, f"{name}.conv1d.weight", width)
        self.conv_bias = self._take(ctx, f"{name}.conv1d.bias") if conv_bias else None
        self.conv_ops = ctx.ops("causal_conv", dtype=ctx.dtype, channels=self.inner, width=width)
        self.scan_ops = ctx.ops("selective_scan", dtype=ctx.dtype, channels=self.inner, state=state)
        self.conv_shape, self.scan_shape = (width - 1, self.inner), (self.inner, state)
        self.cache_layer = CacheLayer("state", state_bytes=4 * self.inner * (width - 1 + state))
        self.conv_state: Tensor | None = None
        self.scan_state: Tensor | None = None
        self.group = -1

    def _take(self, ctx: ModelContext, name: str, columns: int | None = None) -> Tensor:
        """Return a float32 weight with a row per channel of this rank; of ``A_log`` what the scan multiplies by,
        -exp.
        """
        weight = torch.empty((self.inner, *([columns] if columns else [])), device=ctx.device)

        def take(tensor: Tensor) -> None:
            weight.copy_(tensor.narrow(0, self._first, self.inner).reshape(weight.shape))
            if name.endswith(".A_log"):
                weight.exp_().neg_()

        ctx.weights.add(name, take)
        return weight

    def bind(self, pages: Tensor, group: int, block_size: int) -> None:
        """Bind ``pages [P, bytes]`` uint8 to this layer, one page per sequence."""
        self.group = group
        values = pages.view(torch.float32)
        end = self.conv_shape[0] * self.conv_shape[1]
        self.conv_state = values[:, :end].view(-1, *self.conv_shape)
        self.scan_state = values[:, end : self.cache_layer.state_bytes // 4].view(-1, *self.scan_shape)

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        """Return ``[T, hidden]`` -> ``[T, hidden]``."""
        assert self.conv_state is not None, "the layer is bound first"
        assert self.scan_state is not None
        u, z = self.projection(x).chunk(2, dim=-1)
        u = self.conv_ops.causal_conv(
            u, self.conv_state, self.group, self.conv_weight, self.conv_bias, activation="silu"
        )
        parts = self.selection(u).split(self.split, dim=-1)
        if self.norms is not None:
            parts = [norm(part) for norm, part in zip(self.norms, parts, strict=True)]
        dt, b, c = parts
        y = self.scan_ops.selective_scan(
            u,
            self.dt_projection(dt),
            b,
            c,
            z,
            self.scan_state,
            self.group,
            a=self.decay,
            d=self.skip,
            dt_bias=self.dt_bias,
        )
        out: Tensor = self.output(y)
        return out
