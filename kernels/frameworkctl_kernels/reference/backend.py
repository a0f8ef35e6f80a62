"""The reference backend: the protocol over the plain torch operations of this package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from frameworkctl_kernels.protocol import GroupView, Packed, Replay, StepShape

from . import attention as paged
from . import latent as compressed
from . import state_space
from .activation import activated
from .experts import PackedExperts, gated, run_experts
from .linear import OneDnnWeight, PlainWeight, onednn_takes, pack
from .quantized import pack_quantized
from .varlen import attend_both_ways


class ReferenceBackend:
    """Right on every device and shape; on CPUs fast enough to serve."""

    name = "reference"
    deterministic: bool | None = None  # torch chooses the order of sums by the number of rows

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.asynchronous = self.device.type != "cpu"
        self._plan: paged.AttentionPlan | None = None
        self._states: state_space.StatePlan | None = None

    def supports(self, op: str, **facts: Any) -> str | None:
        return None

    def computes_fast(self, dtype: torch.dtype) -> bool:
        return self.device.type != "cpu" or onednn_takes(dtype)

    def plan(self, shape: StepShape, groups: Sequence[GroupView]) -> None:
        self._plan = paged.AttentionPlan(shape, groups, self.device)
        if any(view.state_slot is not None for view in groups):
            self._states = state_space.StatePlan(shape, groups, self.device)

    def view_cache(self, pages: Tensor, *, block_size: int, heads: int, head_dim: int, dtype: torch.dtype) -> Any:
        return paged.view_cache(pages, block_size, heads, head_dim, dtype)

    def write_kv(self, key: Tensor, value: Tensor, cache: Any, view: GroupView) -> None:
        paged.write_kv(key, value, cache, view)

    def rotary_write_kv(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        cos_sin: Tensor,
        cache: Any,
        view: GroupView,
        *,
        interleaved: bool = False,
    ) -> None:
        self.rotary(query, cos_sin, interleaved=interleaved)
        self.rotary(key, cos_sin, interleaved=interleaved)
        self.write_kv(key, value, cache, view)

    def attention(
        self,
        query: Tensor,
        cache: Any,
        group: int,
        out: Tensor,
        *,
        scale: float,
        causal: bool = True,
        window: int | None = None,
        softcap: float | None = None,
        sinks: Tensor | None = None,
    ) -> Tensor:
        assert self._plan is not None, "plan() comes before the forward"
        return paged.attend(
            self._plan,
            query,
            cache,
            group,
            out,
            scale=scale,
            causal=causal,
            window=window,
            softcap=softcap,
            sinks=sinks,
        )

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
        assert self._plan is not None, "plan() comes before the forward"
        return attend_both_ways(
            self._plan, query, key, value, out, scale=scale, window=window, softcap=softcap, bias=bias
        )

    def view_latent_cache(self, pages: Tensor, *, block_size: int, dim: int, dtype: torch.dtype) -> Any:
        return compressed.LatentCache(pages, block_size, dim, dtype)

    def write_latent(self, latent: Tensor, cache: Any, view: GroupView) -> None:
        cache.write(latent, view)

    def latent_attention(self, query: Tensor, cache: Any, group: int, out: Tensor, *, scale: float) -> Tensor:
        assert self._plan is not None, "plan() comes before the forward"
        return paged.attend(
            self._plan, query, cache, group, out, scale=scale, causal=True, window=None, softcap=None, sinks=None
        )

    def pack(self, weight: Tensor, fmt: str = "plain", *, lookup: bool = False) -> Packed:
        if fmt != "plain":
            return pack_quantized(weight, fmt)
        return PlainWeight(weight.contiguous()) if lookup else pack(weight)

    def lookup(self, packed: Packed, ids: Tensor) -> Tensor:
        return F.embedding(ids, cast("PlainWeight", packed).weight)

    def linear(self, x: Tensor, packed: Packed, bias: Tensor | None = None, out: Tensor | None = None) -> Tensor:
        result = cast("PlainWeight | OneDnnWeight", packed).linear(x, bias)
        return result if out is None else out.copy_(result)

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float, *, late_cast: bool = False) -> Tensor:
        if x.dtype == torch.float32:
            return F.rms_norm(x, (x.shape[-1],), weight.float(), eps)
        wide = x.float()
        normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
        return (normed * weight.float()).to(x.dtype) if late_cast else normed.to(x.dtype) * weight.to(x.dtype)

    def add_rms_norm(
        self, x: Tensor, residual: Tensor, weight: Tensor, eps: float, *, late_cast: bool = False
    ) -> tuple[Tensor, Tensor]:
        residual = residual.add_(x)
        return self.rms_norm(residual, weight, eps, late_cast=late_cast), residual

    def layer_norm(self, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        if weight is not None and weight.dim() > 1:
            normed = F.layer_norm(x.float(), (x.shape[-1],), eps=eps) * weight
            return (normed if bias is None else normed + bias).to(x.dtype)
        return F.layer_norm(x.float(), (x.shape[-1],), weight, bias, eps).to(x.dtype)

    def add_layer_norm(
        self, x: Tensor, residual: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor]:
        residual = residual.add_(x)
        return self.layer_norm(residual, weight, bias, eps), residual

    def rotary(self, x: Tensor, cos_sin: Tensor, *, interleaved: bool = False) -> None:
        half = cos_sin.shape[-1] // 2
        cos, sin = cos_sin[:, None, :half], cos_sin[:, None, half:]
        if interleaved:
            first, second = x[..., 0 : 2 * half : 2], x[..., 1 : 2 * half : 2]
        else:
            first, second = x[..., :half], x[..., half : 2 * half]
        rotated = first * cos - second * sin
        second.mul_(cos).addcmul_(first, sin)
        first.copy_(rotated)

    def activation(self, x: Tensor, kind: str) -> Tensor:
        return activated(x, kind)

    def gated_activation(self, gate_up: Tensor, kind: str) -> Tensor:
        return gated(gate_up, kind)

    def pack_experts(
        self, gate_up: Tensor, down: Tensor, biases: tuple[Tensor, Tensor] | None = None, fmt: str = "plain"
    ) -> Any:
        return PackedExperts(gate_up, down, biases, fmt)

    def experts(self, x: Tensor, weights: Tensor, ids: Tensor, packed: Any, kind: str) -> Tensor:
        return run_experts(x, weights, ids, cast("PackedExperts", packed), kind)

    def causal_conv(
        self, x: Tensor, state: Tensor, group: int, weight: Tensor, bias: Tensor | None, *, activation: str | None
    ) -> Tensor:
        assert self._states is not None, "plan() comes before the forward"
        return state_space.causal_conv(self._states, x, state, group, weight, bias, activation)

    def selective_scan(
        self,
        x: Tensor,
        dt: Tensor,
        b: Tensor,
        c: Tensor,
        z: Tensor | None,
        state: Tensor,
        group: int,
        *,
        a: Tensor,
        d: Tensor,
        dt_bias: Tensor,
    ) -> Tensor:
        assert self._states is not None, "plan() comes before the forward"
        return state_space.selective_scan(self._states, x, dt, b, c, z, state, group, a=a, d=d, dt_bias=dt_bias)

    def draw(
        self,
        logits: Tensor,
        top_k: NDArray[np.int64],
        top_p: NDArray[np.float32],
        min_p: NDArray[np.float32],
        u: NDArray[np.float64],
    ) -> Tensor | None:
        return None

    def top_logits(self, logits: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor] | None:
        return None

    def capture(self, fn: Callable[[], Tensor]) -> Replay | None:
        return None
