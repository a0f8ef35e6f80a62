"""``frameworkctl doctor [--json]``: looks at everything the server stands on, and says what is wrong."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from frameworkctl.cli.arguments import Parser
from frameworkctl.cli.sources import peek
from frameworkctl.plugins.selection import split
from frameworkctl.version import VERSION

from . import machine
from .machine import Finding

PROBE = "frameworkctl.execution.probe"  # imports torch, so it is a program and not a module of ours
PROBE_TIMEOUT = 180.0
MARKS = {"ok": "ok    ", "note": "note  ", "broken": "BROKEN"}


def run(argv: list[str]) -> int:
    """Print the report; exit status 1 when something is broken that the server needs."""
    parser = Parser(prog="frameworkctl doctor", description="Look at what the server needs, and say what is wrong.")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--plugins", action="append", help="the list that serve would get")
    parser.add_argument("--config", help="the config file that serve would get")
    args = parser.parse_args(argv)
    findings = list(examine(split(peek(argv, "plugins"))))
    broken = any(f.state == "broken" for f in findings)
    if args.json:
        print(json.dumps({"ok": not broken, "findings": msgspec.to_builtins(findings)}, indent=2))
    else:
        width = max(len(f.name) for f in findings)
        for f in findings:
            print(f"{MARKS[f.state]} {f.name:<{width}}  {f.text}")
    return 1 if broken else 0


def examine(words: list[str]) -> Iterator[Finding]:
    """Yield everything, the foundations first; ``words`` as of ``--plugins``."""
    python = f"{platform.python_implementation()} {platform.python_version()} on {platform.platform()}"
    yield Finding("frameworkctl", "ok", f"{VERSION}, {python}")
    yield from machine.packages()
    yield machine.processor()
    yield machine.compiler()
    driver = machine.gpu_driver()
    if driver is not None:
        yield driver
    facts, problem = torch_facts(words)
    if problem is not None:
        yield Finding("torch", "broken", problem)
    else:
        yield from _torch(facts, driver)
    yield machine.triton()
    yield machine.disk()
    yield from machine.plugins(words)


def torch_facts(words: list[str]) -> tuple[dict[str, Any], str | None]:
    """Return what a child process finds with torch; or why it does not."""
    command = [sys.executable, "-P", "-m", PROBE, *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return {}, f"importing torch took more than {PROBE_TIMEOUT:.0f} s"
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout)
        return found, None
    if done.returncode < 0:
        return {}, f"importing torch ends the process with signal {-done.returncode}"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return {}, f"cannot be imported: {lines[-1].strip() if lines else f'exit status {done.returncode}'}"


def _torch(facts: dict[str, Any], driver: Finding | None) -> Iterator[Finding]:
    build = f"CUDA {facts['cuda_build']}" if facts["cuda_build"] else "for CPUs"
    build = f"ROCm {facts['hip_build']}" if facts["hip_build"] else build
    yield Finding(
        "torch",
        "ok",
        f"{facts['torch']}, built {build}; {facts['threads']} threads, {facts['cpu_capability']},"
        f" oneDNN {'there' if facts['onednn'] else 'missing'}",
    )
    for gpu in facts["gpus"]:
        text = f"{gpu['name']}, {gpu['memory'] / 1e9:.0f} GB, compute capability {gpu['capability']}"
        yield Finding("gpu", "ok", text)
    if facts["cuda_problem"]:
        yield Finding("gpu", "note", f"torch is built for CUDA and sees no GPU: {facts['cuda_problem']}")
    elif driver is not None and not facts["gpus"]:
        yield Finding("gpu", "note", "there is a driver, but this torch is built for CPUs: install one built for CUDA")
    yield Finding("memory", "ok", f"{facts['available_memory'] / 1e9:.1f} GB available")
    if "backend_problem" in facts:
        yield Finding("backend", "broken", facts["backend_problem"])
        return
    others = [
        f"{name} {'is not for this device' if priority is None else f'has priority {priority}'}"
        for name, priority in facts["others"].items()
    ]
    why = f"priority {facts['priority']}" + "".join(f"; {text}" for text in others)
    fast = ", ".join(facts["fast_types"]) or "no half precision: --dtype auto computes such checkpoints in float32"
    yield Finding("backend", "ok", f"{facts['backend']} on {facts['device']} ({why}); fast: {fast}")
    for name, reason in facts["unavailable"].items():
        yield Finding("backend", "note", f"{name} cannot run here, {facts['backend']} is slower: {reason}")
