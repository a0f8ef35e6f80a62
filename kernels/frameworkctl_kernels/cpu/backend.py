"""The CPU backend: compiled kernels where there is one for the case, plain torch for the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from frameworkctl_kernels.cpu.compile.library import Library
from frameworkctl_kernels.protocol import BackendUnavailable, Replay
from frameworkctl_kernels.reference.backend import ReferenceBackend

from .attention import CompiledAttention
from .capture import CannotCapture, CaptureArena, KernelTape, Recorder, Recording
from .elementwise import CompiledElementwise
from .experts import CompiledExperts
from .linear import CompiledLinear
from .sampling import CompiledSampling
from .state_space import CompiledStateSpace


class CpuBackend(
    CompiledAttention, CompiledElementwise, CompiledExperts, CompiledSampling, CompiledStateSpace, ReferenceBackend
):
    """Operations that a mixin of this package defines run compiled, all others as in the reference.

    Raises:
        BackendUnavailable: the kernels cannot be compiled for this processor.
    """

    name = "cpu"
    kernels: Library

    def __init__(self, device: str) -> None:
        ReferenceBackend.__init__(self, device)
        CompiledAttention.__init__(self)
        CompiledElementwise.__init__(self)
        CompiledLinear.__init__(self)
        if self.device.type != "cpu":
            raise BackendUnavailable(f"the backend cpu computes on processors, not on {device}")
        self.kernels.fc_set_threads(torch.get_num_threads())
        self._capture_arena = CaptureArena()

    def supports(self, op: str, **facts: Any) -> str | None:
        if op == "varlen_attention" and facts.get("biased"):
            return "there is no compiled attention with a bias for distances"
        return super().supports(op, **facts)

    def capture(self, fn: Callable[[], Tensor]) -> Replay | None:
        kernels = self.kernels
        try:
            with Recorder(kernels, self._capture_arena) as recorder:
                self.kernels = KernelTape(recorder)
                out = fn()
        except CannotCapture:
            return None
        finally:
            self.kernels = kernels
        kept = (*self._steps, *(rows for rows, _ in self._shapes.values()))
        return Recording(recorder.calls, self._capture_arena.alias(out), kept)
