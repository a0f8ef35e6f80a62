"""Checks of ``doctor`` that need no torch: packages, compiler, processor, drivers, memory, disk, plugins."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import importlib_metadata
import msgspec
from packaging.requirements import Requirement

from frameworkctl.errors import ConfigError
from frameworkctl.plugins import PluginHost, discover, select
from frameworkctl.plugins.discovery import DISTRIBUTION, stale_builtins

CPU_FEATURES = ("avx2", "fma", "f16c", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "asimd", "bf16", "sve")


class Finding(msgspec.Struct):
    """One line of the report. ``broken``: the server cannot do without; ``note``: something optional is not there."""

    name: str
    state: Literal["ok", "note", "broken"]
    text: str


def packages() -> Iterator[Finding]:
    """Yield what the server requires, and what its extras would bring."""
    needed, extras = _requirements()
    wrong = [problem for r in needed if (problem := _problem(r))]
    shown = ("transformers", "tokenizers", "safetensors", "huggingface_hub")
    versions = ", ".join(f"{name} {_version(name) or 'missing'}" for name in shown)
    yield Finding("packages", "broken" if wrong else "ok", "; ".join(wrong) or versions)
    for extra, requirements in extras.items():
        wrong = [problem for r in requirements if (problem := _problem(r))]
        there = ", ".join(f"{r.name} {_version(r.name)}" for r in requirements)
        hint = f"{'; '.join(wrong)}: pip install '{DISTRIBUTION}[{extra}]'"
        yield Finding(extra, "note" if wrong else "ok", hint if wrong else there)


def _requirements() -> tuple[list[Requirement], dict[str, list[Requirement]]]:
    """Return the requirements of our distribution: those always needed, and by extra (except those of developers)."""
    parsed = [Requirement(text) for text in importlib_metadata.requires(DISTRIBUTION) or ()]
    needed = [r for r in parsed if r.marker is None or r.marker.evaluate({"extra": ""})]
    names = [e for e in importlib_metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or () if e not in _OURS]
    extras = {e: [r for r in parsed if r not in needed and r.marker and r.marker.evaluate({"extra": e})] for e in names}
    return needed, extras


_OURS = ("test", "dev")


def _version(name: str) -> str | None:
    try:
        return importlib_metadata.version(name)
    except importlib_metadata.PackageNotFoundError:
        return None


def _problem(requirement: Requirement) -> str | None:
    version = _version(requirement.name)
    if version is None:
        return f"{requirement.name} is not installed"
    if not requirement.specifier.contains(version, prereleases=True):
        return f"{requirement.name} {version} is not {requirement.specifier}"
    return None


def processor() -> Finding:
    """Cores this process may use, and instructions that matter."""
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        info = ""
    model = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    line = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", info, re.MULTILINE)
    flags = set(line[1].split()) if line else set()
    features = " ".join(f for f in CPU_FEATURES if f in flags) or "no instructions known"
    cores = len(os.sched_getaffinity(0))
    return Finding("cpu", "ok", f"{model[1] if model else platform.machine()}, {cores} cores: {features}")


def compiler() -> Finding:
    """Return the C++ compiler that kernels would be built with."""
    name = os.environ.get("CXX") or "c++"
    path = shutil.which(name)
    if path is None:
        return Finding("compiler", "note", f"no {name}: kernels that are compiled on first use cannot be built")
    return Finding("compiler", "ok", f"{path}: {_first_line([path, '--version'])}")


def gpu_driver() -> Finding | None:
    """NVIDIA's driver, by its own tool; None where there is none."""
    path = shutil.which("nvidia-smi")
    if path is None:
        return None
    query = "--query-gpu=driver_version,name,memory.total"
    return Finding("driver", "ok", _first_line([path, query, "--format=csv,noheader"]))


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        return f"does not run: {e}"
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0].strip() if lines else "says nothing"


def triton() -> Finding:
    version = _version("triton")
    text = version or "not installed: needed by GPU kernels only"
    return Finding("triton", "ok" if version else "note", text)


def disk() -> Finding:
    """Return where downloads are kept, and the room there."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    text = f"{folder}, {free / 1e9:.1f} GB free{' (offline mode)' if constants.HF_HUB_OFFLINE else ''}"
    if not os.access(there, os.W_OK):
        return Finding("downloads", "note", f"{text}; {there} cannot be written to: see --download-dir")
    return Finding("downloads", "ok", text)


def plugins(words: list[str]) -> Iterator[Finding]:
    """Yield a finding for each enabled plugin. ``words`` are those of ``--plugins``."""
    try:
        host = PluginHost.from_selection(select(discover(), words))
    except ConfigError as e:
        yield Finding("plugins", "broken", str(e))
        return
    problem = None
    try:
        host.load_everything()
    except ConfigError as e:
        problem = str(e)
    states = [r.state for r in host.records]
    count = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
    yield Finding("plugins", "broken" if problem else "ok", problem or count)
    for record in host.records:
        if record.state == "failed" and record.error and record.error not in (problem or ""):
            yield Finding("plugins", "note", f"{record.label} of {record.origin} is left out: {record.error}")
    stale = stale_builtins()
    if stale:
        yield Finding("plugins", "note", stale)
