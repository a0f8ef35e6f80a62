"""The CPU backend: compiled kernels where there is one for the case, plain torch for the rest."""

from __future__ import annotations

import torch

from ..protocol import BackendUnavailable
from ..reference.backend import ReferenceBackend
from .attention import CompiledAttention
from .library import kernels
from .linear import CompiledLinear


class CpuBackend(CompiledAttention, CompiledLinear, ReferenceBackend):
    """Operations that a mixin of this package defines run compiled, all others as in the reference.

    Raises:
        BackendUnavailable: the kernels cannot be compiled for this processor.
    """

    name = "cpu"

    def __init__(self, device: str) -> None:
        ReferenceBackend.__init__(self, device)
        CompiledAttention.__init__(self)
        CompiledLinear.__init__(self)
        if self.device.type != "cpu":
            raise BackendUnavailable(f"the backend cpu computes on processors, not on {device}")
        self.kernels = kernels()
        self.kernels.fc_set_threads(torch.get_num_threads())
