"""Facts that torch finds on this machine, as JSON: run in a process of its own, because torch may be broken."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import torch

from frameworkctl.errors import ConfigError
from frameworkctl.plugins import PluginHost, discover, select
from frameworkctl.plugins.discovery import BACKENDS

from .backends import Backends
from .build import choose_device
from .memory import available_memory


def probe(words: list[str]) -> dict[str, Any]:
    """Facts of torch, its devices, and the backend an engine would take; ``words`` as of ``--plugins``."""
    mkldnn: Any = torch.backends.mkldnn
    found: dict[str, Any] = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "onednn": bool(mkldnn.is_available()),
        "cuda_build": torch.version.cuda,
        "hip_build": torch.version.hip,
        "gpus": _gpus(),
        "cuda_problem": _cuda_problem(),
        "available_memory": available_memory(),
    }
    try:
        found |= _backend(words)
    except Exception as e:  # noqa: BLE001  whatever a backend raises is what has to be told
        text = str(e) if isinstance(e, ConfigError) else f"{type(e).__name__}: {e}"
        found["backend_problem"] = text
    return found


def _gpus() -> list[dict[str, Any]]:
    out = []
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        capability = f"{facts.major}.{facts.minor}"
        out.append({"name": facts.name, "capability": capability, "memory": facts.total_memory})
    return out


def _cuda_problem() -> str | None:
    """Return why a torch that was built for GPUs sees none."""
    if torch.version.cuda is None or torch.cuda.is_available():
        return None
    cuda: Any = torch.cuda
    try:
        cuda.init()
    except (RuntimeError, AssertionError) as e:
        return str(e).splitlines()[0]
    return "torch.cuda.is_available() is false"


def _backend(words: list[str]) -> dict[str, Any]:
    host = PluginHost.from_selection(select(discover(), words))
    for name in host.names(BACKENDS):
        host.load_named(BACKENDS, name)
    device = choose_device("auto")
    backends = Backends(host, "auto", device, later=lambda _: None)
    chosen = backends.chosen
    fast = [str(t).removeprefix("torch.") for t in (torch.bfloat16, torch.float16) if chosen.computes_fast(t)]
    specs = [r.spec for r in host.registry.backends.values()]
    others = {s.name: s.priority if device.type in s.devices else None for s in specs if s.name != chosen.name}
    priority = next((s.priority for s in specs if s.name == chosen.name), 0)
    return {
        "device": str(device),
        "backend": chosen.name,
        "priority": priority,
        "others": others,
        "fast_types": fast,
        "unavailable": backends.unavailable,
    }


if __name__ == "__main__":
    answer = json.dumps(probe(sys.argv[1:]))
    sys.stdout.write(answer)
    sys.stdout.flush()
    os._exit(0)  # what has been found is not to be lost in the destructors of a driver
