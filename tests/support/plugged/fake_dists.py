"""Distributions that exist only in a folder: metadata, entry points and modules, as pip would have left them."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

IMPORTS = """
import msgspec
from frameworkctl.interfaces import *
from frameworkctl.interfaces import hookimpl
"""
ENDPOINT = (
    IMPORTS
    + """
class {cls}(Endpoint):
    family = "{family}"
    routes = (Route(method="GET", path="{path}"),)

    async def handle(self, call, engine):
        return Reply(body={{"family": self.family}})


@hookimpl
def register_endpoints(register):
    register({cls})
"""
)
POLICY = (
    IMPORTS
    + """
class Mine(Policy):
    pass


@hookimpl
def register_policies(register):
    register(PolicySpec(name="{name}", implementation=__name__ + ":Mine"){extra})
"""
)


def endpoint(family: str, path: str | None = None, cls: str = "Sample") -> str:
    """Source of a module that registers one endpoint."""
    return ENDPOINT.format(cls=cls, family=family, path=path or f"/{family}")


def policy(name: str, *, override: bool = False) -> str:
    """Source of a module that registers one scheduling policy."""
    return POLICY.format(name=name, extra=", override=True" if override else "")


def model(*architectures: str, override: bool = False) -> str:
    """Source of a module that registers a model of these architectures; nothing of it can run."""
    extra = ", override=True" if override else ""
    return (
        IMPORTS
        + f"""
def describe(checkpoint):
    return ModelInfo(
        architecture={architectures[0]!r}, tasks=frozenset({{"generate"}}), vocab_size=1, hidden_size=1, num_layers=1,
        max_model_len=1,
    )


@hookimpl
def register_models(register):
    register(ModelSpec(architectures={architectures!r}, implementation="none:None", describe=describe){extra})
"""
    )


def source(text: str) -> str:
    """A module with the usual imports and this body, which may be indented."""
    return IMPORTS + textwrap.dedent(text)


class FakeDists:
    """A folder like site-packages. ``add`` installs a distribution into it, ``file`` writes a single-file plugin."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def add(
        self,
        name: str,
        groups: Mapping[str, Mapping[str, str]],
        modules: Mapping[str, str],
        *,
        version: str = "1.0",
        requires: Sequence[str] = (),
        extras: Sequence[str] = (),
    ) -> None:
        """``groups`` without their prefix: ``{"endpoints": {"ping": "acme.ping"}}``; ``modules`` by dotted name."""
        info = self.root / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Provides-Extra: {e}" for e in extras] + [f"Requires-Dist: {r}" for r in requires]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
        entries = ""
        for group, members in groups.items():
            entries += f"[frameworkctl.{group}]\n" + "".join(f"{k} = {v}\n" for k, v in members.items())
        (info / "entry_points.txt").write_text(entries)
        files = [self._module(dotted, text) for dotted, text in modules.items()]
        records = [*files, info / "METADATA", info / "entry_points.txt", info / "RECORD"]
        (info / "RECORD").write_text("".join(f"{f.relative_to(self.root)},,\n" for f in records))
        importlib.invalidate_caches()

    def file(self, name: str, text: str) -> Path:
        """A plugin of one file that no distribution owns."""
        path = self.root / name
        path.write_text(text)
        importlib.invalidate_caches()
        return path

    def _module(self, dotted: str, text: str) -> Path:
        *packages, leaf = dotted.split(".")
        folder = self.root
        for package in packages:
            folder = folder / package
            folder.mkdir(exist_ok=True)
            (folder / "__init__.py").touch()
        path = folder / f"{leaf}.py"
        path.write_text(text)
        return path


@contextmanager
def installed(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDists]:
    """Distributions that this process sees until the end; their modules are forgotten again."""
    dists = FakeDists(root)
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a module rewritten within a second must be read again
    yield dists
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(root)) or name.startswith("frameworkctl_file_"):
            del sys.modules[name]
