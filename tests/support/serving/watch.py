"""Looks at what a model's forward does: which operations it calls, and whether it waits for the device."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from frameworkctl.execution.replays import Replays
from frameworkctl.interfaces.engine import Batch
from frameworkctl.testing import InProcessEngine
from torch.utils._python_dispatch import TorchDispatchMode

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique", "item")


class Watch(TorchDispatchMode):
    """Counts operations, and refuses those that make the host wait for values."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if any(name.startswith(w) for w in WAITS):
            raise AssertionError(f"the forward waits for the device: {name}")
        self.calls[name] += 1
        return func(*args, **(kwargs or {}))


def watched(engine: InProcessEngine) -> list[tuple[Batch, Counter[str]]]:
    """Every forward of the engine from now on: its batch, and the operations it called."""
    seen: list[tuple[Batch, Counter[str]]] = []
    engine.runner.replays = Replays(engine.runner.model, ())  # what is played back is no forward
    forward, logits = engine.runner.model.forward, engine.runner.model.logits

    def watched_forward(batch: Batch) -> torch.Tensor:
        with Watch() as watch:
            hidden = forward(batch)
        seen.append((batch, watch.calls))
        return hidden

    def watched_logits(hidden: torch.Tensor) -> torch.Tensor:
        with Watch():
            return logits(hidden)

    engine.runner.model.forward = watched_forward  # type: ignore[method-assign]
    engine.runner.model.logits = watched_logits  # type: ignore[method-assign]
    return seen
