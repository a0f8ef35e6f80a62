"""Causal convolution and selective scan on the compiled kernels."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

from frameworkctl_kernels.cpu.compile.library import Library

from .attention import TYPES, StepCall

L, P = ctypes.c_int64, ctypes.c_void_p


class StateStep(ctypes.Structure):
    """``fc::StateStep``."""

    _fields_ = (
        ("seqs", L),
        ("query_start", P),
        ("slots", P),
        ("slot_stride", L),
        ("state", P),
        ("state_stride", L),
        ("channels", L),
        ("width", L),
    )


class Strided(ctypes.Structure):
    """``fc::Strided``."""

    _fields_ = (("p", P), ("stride", L))


class Scan(ctypes.Structure):
    """``fc::Scan``."""

    _fields_ = tuple((name, Strided) for name in ("x", "dt", "b", "c", "z")) + tuple(
        (name, P) for name in ("a", "d", "dt_bias")
    )


class CompiledStateSpace:
    """The state-space operations of the protocol; a part of CpuBackend."""

    kernels: Library
    _steps: list[StepCall]
    _state_slots: dict[int, Tensor]

    def causal_conv(
        self, x: Tensor, state: Tensor, group: int, weight: Tensor, bias: Tensor | None, *, activation: str | None
    ) -> Tensor:
        x = x if x.stride(1) == 1 else x.contiguous()
        step = self._state_step(group, state, x.shape[1], weight.shape[1])
        out = torch.empty(x.shape, dtype=x.dtype)
        weight = weight.contiguous()
        self.kernels.fc_causal_conv(
            ctypes.addressof(step),
            TYPES[x.dtype],
            x.data_ptr(),
            x.stride(0),
            weight.data_ptr(),
            None if bias is None else bias.data_ptr(),
            activation == "silu",
            out.data_ptr(),
        )
        return out

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
        given: list[Any] = [t if t is None or t.stride(1) == 1 else t.contiguous() for t in (x, dt, b, c, z)]
        parts = [Strided(None, 0) if t is None else Strided(t.data_ptr(), t.stride(0)) for t in given]
        step = self._state_step(group, state, x.shape[1], a.shape[1])
        scan = Scan(*parts, a.data_ptr(), d.data_ptr(), dt_bias.data_ptr())
        out = torch.empty(x.shape, dtype=x.dtype)
        self.kernels.fc_selective_scan(ctypes.addressof(step), TYPES[x.dtype], ctypes.addressof(scan), out.data_ptr())
        return out

    def _state_step(self, group: int, state: Tensor, channels: int, width: int) -> StateStep:
        slots, call = self._state_slots[group], self._steps[group]
        return StateStep(
            call.seqs,
            call.query_start,
            slots.data_ptr(),
            slots.stride(0),
            state.data_ptr(),
            state.stride(0),
            channels,
            width,
        )
