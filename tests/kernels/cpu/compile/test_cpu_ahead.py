"""A first start does not wait for a compiler: kernels are made in the background, for the next one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from frameworkctl.execution.backends import Backends
from frameworkctl.plugins import PluginHost
from frameworkctl.plugins.discovery import BACKENDS, discover
from frameworkctl.plugins.selection import select
from frameworkctl_kernels.cpu.compile import ahead, build
from frameworkctl_kernels.protocol import BackendSpec
from support.serving.programs import command_line

pytestmark = pytest.mark.skipif(
    not (build.processor_flags() >= build.NEEDED and any(shutil.which(c) for c in build.COMPILERS)),
    reason="this machine cannot compile the CPU kernels",
)
PARENT = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:], start_new_session=True); time.sleep(600)"


@pytest.fixture
def cold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRAMEWORKCTL_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def host() -> PluginHost:
    made = PluginHost.from_selection(select(discover(), []))
    for name in made.names(BACKENDS):
        made.load_named(BACKENDS, name)
    return made


def test_auto_does_without_what_is_not_made(cold: Path, host: PluginHost) -> None:
    asked: list[BackendSpec] = []
    chosen = Backends(host, "auto", torch.device("cpu"), later=asked.append).chosen
    assert chosen.name == "reference"
    assert [spec.name for spec in asked] == ["cpu"]


def test_auto_takes_what_is_made(host: PluginHost) -> None:
    build.library()
    asked: list[BackendSpec] = []
    assert Backends(host, "auto", torch.device("cpu"), later=asked.append).chosen.name == "cpu"
    assert not asked


def test_without_a_compiler_there_is_nothing_to_wait_for(cold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not ahead.ready()
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert ahead.ready()


def test_it_ends_with_the_process_that_wanted_it(cold: Path) -> None:
    """And its compilers with it; nothing half made is left."""
    slow = cold / "compiler"
    slow.write_text("#!/bin/sh\ncase $* in *--version*) echo slow 1;; *) sleep 600;; esac\n")
    slow.chmod(0o755)
    command = [sys.executable, "-c", PARENT, sys.executable, "-m", "frameworkctl_kernels.cpu.compile.ahead"]
    parent = subprocess.Popen(command, env={**os.environ, "CXX": str(slow)})
    family: list[psutil.Process] = []
    deadline = time.monotonic() + 90
    while not any("sleep" in command_line(p) for p in family):
        assert time.monotonic() < deadline, family
        family = psutil.Process(parent.pid).children(recursive=True)
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _gone, alive = psutil.wait_procs(family, timeout=60)
    assert not alive
    assert [p.suffix for p in (cold / "kernels").iterdir()] == [".lock"]
