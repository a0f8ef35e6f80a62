"""A compute backend: here the reference one under a name of its own, for devices it says it runs on."""

from __future__ import annotations

from frameworkctl.interfaces import Register, hookimpl
from frameworkctl_kernels.protocol import BackendSpec


@hookimpl
def register_backends(register: Register[BackendSpec]) -> None:
    register(
        BackendSpec(
            name="plain",
            implementation="frameworkctl_kernels.reference.backend:ReferenceBackend",
            devices=("cpu",),
            priority=-1,  # never chosen by --backend auto
        )
    )
