"""Norms, rotary embedding and activations on the compiled kernels."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from frameworkctl_kernels.cpu.compile.library import Library

from .attention import TYPES

KINDS = {"silu": 0, "gelu": 1, "gelu_tanh": 2, "relu": 3, "relu2": 4, "swiglu_oai": 5}
GATED_ONLY = "swiglu_oai"


class Rows(ctypes.Structure):
    """``fc::Rows``: a tensor ``[outer, inner, size]``."""

    _fields_ = tuple((name, ctypes.c_int64) for name in ("outer", "inner", "size", "outer_stride", "inner_stride"))


class CompiledElementwise:
    """The operations of the protocol that go over a row at a time; a part of CpuBackend."""

    kernels: Library

    def __init__(self) -> None:
        self._shapes: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[Rows, int]] = {}

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float, *, late_cast: bool = False) -> Tensor:
        rows, x = self._rows(x)
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        self.kernels.fc_rms_norm(
            rows,
            TYPES[x.dtype],
            x.data_ptr(),
            None,
            weight.data_ptr(),
            TYPES[weight.dtype],
            eps,
            late_cast,
            out.data_ptr(),
        )
        return out

    def add_rms_norm(
        self, x: Tensor, residual: Tensor, weight: Tensor, eps: float, *, late_cast: bool = False
    ) -> tuple[Tensor, Tensor]:
        rows, x = self._rows(x)
        residual = residual.contiguous()
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        self.kernels.fc_rms_norm(
            rows,
            TYPES[x.dtype],
            x.data_ptr(),
            residual.data_ptr(),
            weight.data_ptr(),
            TYPES[weight.dtype],
            eps,
            late_cast,
            out.data_ptr(),
        )
        return out, residual

    def layer_norm(self, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        return self._layer_norm(x, None, weight, bias, eps)

    def add_layer_norm(
        self, x: Tensor, residual: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor]:
        residual = residual.contiguous()
        return self._layer_norm(x, residual, weight, bias, eps), residual

    def _layer_norm(
        self, x: Tensor, residual: Tensor | None, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> Tensor:
        rows, x = self._rows(x)
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        self.kernels.fc_layer_norm(
            rows,
            TYPES[x.dtype],
            x.data_ptr(),
            None if residual is None else residual.data_ptr(),
            None if weight is None else weight.data_ptr(),
            None if bias is None else bias.data_ptr(),
            weight is not None and weight.dim() > 1,
            eps,
            out.data_ptr(),
        )
        return out

    def rotary(self, x: Tensor, cos_sin: Tensor, *, interleaved: bool = False) -> None:
        tokens, heads, _ = x.shape
        token, head, step = x.stride()
        if step != 1:
            dense = x.contiguous()
            self.rotary(dense, cos_sin, interleaved=interleaved)
            x.copy_(dense)
            return
        if cos_sin.dtype is not x.dtype:
            cos_sin = cos_sin.to(x.dtype)
        self.kernels.fc_rotary(
            TYPES[x.dtype],
            x.data_ptr(),
            tokens,
            heads,
            token,
            head,
            cos_sin.data_ptr(),
            cos_sin.stride(0),
            cos_sin.shape[1] // 2,
            interleaved,
        )

    def activation(self, x: Tensor, kind: str) -> Tensor:
        if kind == GATED_ONLY:
            raise ValueError(f"there is no activation {kind!r} without a gate")
        x = x.contiguous()
        self.kernels.fc_activation(TYPES[x.dtype], KINDS[kind], x.data_ptr(), x.numel())
        return x

    def gated_activation(self, gate_up: Tensor, kind: str) -> Tensor:
        shape = gate_up.shape
        size = shape[-1] // 2
        if len(shape) != 2:
            return self.gated_activation(gate_up.reshape(-1, 2 * size), kind).view(*shape[:-1], size)
        rows, (stride, step) = shape[0], gate_up.stride()
        if step != 1:
            gate_up, stride = gate_up.contiguous(), 2 * size
        out = torch.empty(rows, size, dtype=gate_up.dtype)
        self.kernels.fc_gated(TYPES[gate_up.dtype], KINDS[kind], gate_up.data_ptr(), stride, rows, size, out.data_ptr())
        return out

    def _rows(self, x: Tensor) -> tuple[int, Tensor]:
        """Return how to walk the rows of ``x``, and ``x``, dense in its last axis and of at most three axes."""
        stride = x.stride()
        if stride[-1] != 1 or len(stride) > 3:
            x = x.contiguous()
            stride = x.stride()
        shape = x.shape
        found = self._shapes.get((shape, stride))
        if found is None:
            if len(self._shapes) > 1000:  # prefills come in many lengths
                self._shapes.clear()
            inner = shape[-2] if len(shape) > 2 else 1
            outer = x.numel() // max(1, inner * shape[-1])
            rows = Rows(outer, inner, shape[-1], 0, 0)
            if len(shape) > 1:
                rows.outer_stride = stride[-3] if len(shape) > 2 else stride[0]
            if len(shape) > 2:
                rows.inner_stride = stride[-2]
            found = self._shapes[shape, stride] = (rows, ctypes.addressof(rows))
        return found[1], x
