"""Chooses the backends that an engine computes with."""

from __future__ import annotations

import importlib
import logging
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from frameworkctl_kernels.protocol import Backend, BackendSpec, BackendUnavailable

from frameworkctl.errors import ConfigError
from frameworkctl.plugins import PluginHost
from frameworkctl.plugins.importing import load_class

log = logging.getLogger("frameworkctl.engine")

NOT_MADE = "it is not compiled yet"
Later = Callable[[BackendSpec], None]


class Backends:
    """Answers which backend runs an operation; says once per reason where it has to be ``reference``.

    ``later`` is told of backends that would have to be made first, which ``auto`` then passes over; without it, they
    are made now.
    """

    def __init__(
        self,
        host: PluginHost,
        name: str,
        device: torch.device,
        *,
        deterministic: bool = False,
        later: Later | None = None,
    ) -> None:
        self._create = partial(host.with_default("create_backend", create_backend), device=str(device))
        specs = {n: r.spec for n, r in host.registry.backends.items()}
        fitting = {n: s for n, s in specs.items() if device.type in s.devices}
        if name != "auto" and name not in fitting:
            raise ConfigError(f"--backend: {name!r} is not one of {', '.join(fitting)} for {device.type}")
        self.unavailable: dict[str, str] = {}  # why a backend that comes before the chosen one cannot run here
        candidates = [fitting[name]] if name != "auto" else list(fitting.values())
        self.chosen: Backend = self._choose(candidates, later if name == "auto" and not deterministic else None)
        self._deterministic = deterministic
        if deterministic:
            if getattr(self.chosen, "deterministic", None) is None:
                raise ConfigError(f"--deterministic: the backend {self.chosen.name} cannot; the backend cpu can")
            self.chosen.deterministic = True
        self._reference = self.chosen if self.chosen.name == "reference" else None
        self._reference_spec = specs["reference"]
        self.used: list[Backend] = [self.chosen]
        self._said: set[str] = set()

    def _choose(self, candidates: list[BackendSpec], later: Later | None) -> Backend:
        """Return the one of highest priority that can run on this machine."""
        for spec in sorted(candidates, key=lambda s: -s.priority):
            if later is not None and spec.ahead is not None and not importlib.import_module(spec.ahead).ready():
                self.unavailable[spec.name] = NOT_MADE
                later(spec)
                continue
            try:
                made: Backend = self._create(spec=spec)
            except BackendUnavailable as e:
                self.unavailable[spec.name] = str(e)
                continue
            for name, reason in self.unavailable.items():
                if reason == NOT_MADE:
                    continue
                log.warning("the backend %s takes the place of %s: %s", spec.name, name, reason)
            return made
        raise ConfigError("; ".join(f"--backend: {name!r} cannot run: {why}" for name, why in self.unavailable.items()))

    def __call__(self, op: str, **facts: Any) -> Backend:
        reason = self.chosen.supports(op, **facts)
        if reason is None:
            return self.chosen
        if self._deterministic:
            raise ConfigError(f"--deterministic: this model needs {op} on the reference backend: {reason}")
        if reason not in self._said:
            self._said.add(reason)
            log.info("%s runs on the reference backend: %s", op, reason)
        if self._reference is None:
            self._reference = self._create(spec=self._reference_spec)
            self.used.append(self._reference)
        reference: Backend = self._reference
        return reference


def create_backend(spec: BackendSpec, device: str) -> Backend:
    backend: Backend = load_class(spec.implementation)(device)
    return backend


def make_in_background(spec: BackendSpec) -> None:
    """Start what makes a backend; it ends with this process at the latest."""
    assert spec.ahead is not None
    log.info("the backend %s is being compiled in the background, for the next start; this one does without", spec.name)
    command = [sys.executable, "-P", "-m", spec.ahead]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
