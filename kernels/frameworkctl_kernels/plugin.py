"""Registers the backends of this package."""

from __future__ import annotations

from collections.abc import Callable

import pluggy

from .protocol import BackendSpec

hookimpl = pluggy.HookimplMarker("frameworkctl")


@hookimpl
def register_backends(register: Callable[[BackendSpec], None]) -> None:
    register(
        BackendSpec(
            name="reference",
            implementation="frameworkctl_kernels.reference.backend:ReferenceBackend",
            devices=("cpu", "cuda"),
        )
    )
    register(
        BackendSpec(
            name="cpu",
            implementation="frameworkctl_kernels.cpu.backend:CpuBackend",
            devices=("cpu",),
            priority=10,
            ahead="frameworkctl_kernels.cpu.compile.ahead",
        )
    )
