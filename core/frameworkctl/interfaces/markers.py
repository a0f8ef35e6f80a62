"""The pluggy markers and the typed registrar that hook implementations are written with."""

from __future__ import annotations

from typing import Protocol, TypeVar

import pluggy

PROJECT = "frameworkctl"
API_VERSION = 1

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

SpecT = TypeVar("SpecT", contravariant=True)


class Register(Protocol[SpecT]):
    """Argument of a ``register_*`` hook: call it once per thing to register.

    It knows which plugin is calling. A name that is taken is refused with both origins in the message, unless
    ``override=True`` says that replacing it is meant.
    """

    def __call__(self, spec: SpecT, *, override: bool = False) -> None: ...
