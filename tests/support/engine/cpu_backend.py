"""The compiled CPU backend for tests, and how close to float64 its results have to be."""

from __future__ import annotations

import pytest
import torch
from frameworkctl_kernels.cpu.backend import CpuBackend
from frameworkctl_kernels.cpu.compile import build
from frameworkctl_kernels.protocol import BackendUnavailable

TOLERANCES = {torch.float32: 3e-6, torch.bfloat16: 1.2e-2, torch.float16: 1.5e-3}


def need_compiled() -> None:
    """Skips the test where the kernels cannot be compiled."""
    try:
        build.library()
    except BackendUnavailable as e:
        pytest.skip(str(e))


def cpu_backend(threads: int, *, deterministic: bool = False) -> CpuBackend:
    """With ``threads`` threads; skips the test where the kernels cannot be compiled."""
    need_compiled()
    backend = CpuBackend("cpu")
    backend.deterministic = deterministic
    backend.kernels.fc_set_threads(threads)
    return backend
