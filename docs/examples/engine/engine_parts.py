"""Replacing how an engine's model and backend are made; None leaves it to core. Imports torch: engines only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from frameworkctl.interfaces import ModelSpec, hookimpl

if TYPE_CHECKING:
    from frameworkctl.interfaces.engine import Backend, Model, ModelContext
    from frameworkctl_kernels.protocol import BackendSpec


@hookimpl
def create_model(spec: ModelSpec, config: dict[str, Any], ctx: ModelContext) -> Model | None:
    return None


@hookimpl
def create_backend(spec: BackendSpec, device: str) -> Backend | None:
    return None
