"""Fixtures that all tests share: tiny checkpoints, and servers started the way users start them."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads its threads: tests share few cores
if "PYTEST_XDIST_WORKER" in os.environ:  # and to several test processes at once, a thread each
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).parent))

import pytest
from frameworkctl_kernels.cpu.compile.build import library
from frameworkctl_kernels.protocol import BackendUnavailable
from support.checkpoints.tiny import FAMILIES, make_checkpoint
from support.serving.server import RunningServer, start_server

signal.signal(signal.SIGINT, signal.default_int_handler)  # programs under test would inherit that it is ignored


def pytest_sessionstart(session: pytest.Session) -> None:
    """Kernels are compiled before servers start: these would not wait for it, and be served by torch."""
    if not hasattr(session.config, "workerinput"):
        with contextlib.suppress(BackendUnavailable):
            library()


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One tiny random checkpoint per decoder family, with tokenizer and chat template."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {family: make_checkpoint(family, root / family) for family in FAMILIES}


@pytest.fixture(scope="session")
def server(checkpoints: dict[str, Path]) -> Iterator[RunningServer]:
    """Two models on one server; for tests that leave it as they found it."""
    args = ["--model", f"a={checkpoints['llama']}", "--model", f"b={checkpoints['qwen2']}", "--dtype", "float32"]
    running = start_server([*args, "--max-model-len", "512", "--enable-request-id-headers"])
    yield running
    running.stop()
