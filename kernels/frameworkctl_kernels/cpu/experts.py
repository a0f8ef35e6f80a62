"""Blocks of experts on the compiled products."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

from frameworkctl_kernels.cpu.compile.library import Library
from frameworkctl_kernels.reference.experts import PackedExperts, run_experts

from .attention import TYPES
from .elementwise import KINDS
from .linear import CompiledLinear, PackedWeight
from .quantized import QuantizedWeight

CompiledWeight = PackedWeight | QuantizedWeight


class ExpertCall(ctypes.Structure):
    """``fc::Expert``."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("gate_up", "down", "gate_up_bias", "down_bias"))


class CompiledExpertWeights:
    """Every expert's two matrices in panels, with what the kernel is told of them."""

    def __init__(
        self, gate_up: list[CompiledWeight], down: list[CompiledWeight], biases: tuple[Tensor, Tensor] | None
    ) -> None:
        self.gate_up, self.down = gate_up, down
        self.biases = None if biases is None else tuple(b.contiguous() for b in biases)
        self.inner, self.hidden = down[0].shape[1], down[0].shape[0]
        self.calls = (ExpertCall * len(down))()
        for e, (first, second) in enumerate(zip(gate_up, down, strict=True)):
            call = self.calls[e]
            call.gate_up, call.down = first._address, second._address
            if self.biases is not None:
                call.gate_up_bias, call.down_bias = (b[e].data_ptr() for b in self.biases)


class CompiledExperts(CompiledLinear):
    """The experts of the protocol; a part of CpuBackend."""

    kernels: Library

    def pack_experts(
        self, gate_up: Tensor, down: Tensor, biases: tuple[Tensor, Tensor] | None = None, fmt: str = "plain"
    ) -> Any:
        if gate_up.dtype not in TYPES:
            return PackedExperts(gate_up, down, biases)
        first, second = ([self._pack_one(matrix, fmt) for matrix in weights] for weights in (gate_up, down))
        return CompiledExpertWeights(first, second, biases)

    def _pack_one(self, matrix: Tensor, fmt: str) -> CompiledWeight:
        packed = self.pack(matrix, fmt)
        assert isinstance(packed, PackedWeight | QuantizedWeight)
        return packed

    def experts(self, x: Tensor, weights: Tensor, ids: Tensor, packed: Any, kind: str) -> Tensor:
        if isinstance(packed, PackedExperts):
            return run_experts(x, weights, ids, packed, kind)
        x = x if x.stride(1) == 1 else x.contiguous()
        weights, ids = weights.float().contiguous(), ids.contiguous()
        out = torch.empty(x.shape, dtype=x.dtype)
        self.kernels.fc_experts(
            TYPES[x.dtype],
            ctypes.addressof(packed.calls),
            len(packed.calls),
            packed.hidden,
            packed.inner,
            x.data_ptr(),
            x.stride(0),
            x.shape[0],
            weights.data_ptr(),
            ids.data_ptr(),
            ids.shape[1],
            KINDS[kind],
            out.data_ptr(),
        )
        return out
