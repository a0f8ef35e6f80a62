"""The CPU backend: compiled kernels where there is one for the case, plain torch for the rest."""

from __future__ import annotations

from typing import Any

import torch

from ..protocol import BackendUnavailable
from ..reference.backend import ReferenceBackend
from .attention import CompiledAttention
from .elementwise import CompiledElementwise
from .experts import CompiledExperts
from .library import kernels
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

    def __init__(self, device: str) -> None:
        ReferenceBackend.__init__(self, device)
        CompiledAttention.__init__(self)
        CompiledElementwise.__init__(self)
        CompiledLinear.__init__(self)
        if self.device.type != "cpu":
            raise BackendUnavailable(f"the backend cpu computes on processors, not on {device}")
        self.kernels = kernels()
        self.kernels.fc_set_threads(torch.get_num_threads())

    def supports(self, op: str, **facts: Any) -> str | None:
        if op == "varlen_attention" and facts.get("biased"):
            return "there is no compiled attention with a bias for distances"
        return super().supports(op, **facts)
