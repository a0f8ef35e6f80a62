"""Servers that are started for a measurement do not outlive it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from frameworkctl.bench.own_server import ServerProcess

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


def test_a_second_ctrl_c_ends_the_wait_and_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not heed SIGTERM is waited for; who does not want to wait leaves nothing behind."""
    wait = subprocess.Popen.wait

    def interrupted(self: Any, timeout: float | None = None) -> int:
        if timeout is not None:
            raise KeyboardInterrupt
        return wait(self)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    server = ServerProcess([sys.executable, "-c", DEAF], 1)
    while server._output.tell() == 0:  # it is deaf from then on
        server._output.seek(0, 2)
    with pytest.raises(KeyboardInterrupt), server:
        pass
    assert not psutil.pid_exists(server._process.pid)


def test_sigterm_ends_the_server_too(checkpoints: dict[str, Path]) -> None:
    command = [sys.executable, "-P", "-m", "frameworkctl", "bench", "serve", str(checkpoints["llama"])]
    with subprocess.Popen([*command, "--input-len", "8", "--requests", "100000"], stderr=subprocess.DEVNULL) as program:
        bench = psutil.Process(program.pid)
        servers: list[psutil.Process] = []
        while not any(server.children() for server in servers):
            assert program.poll() is None
            time.sleep(0.01)
            servers = bench.children()
        program.terminate()
        assert program.wait(120) == 143
    psutil.wait_procs(servers, 10)
    assert not any(server.is_running() for server in servers)


def test_a_key_of_the_environment_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEWORKCTL_API_KEY", "secret")
    with ServerProcess([sys.executable, "-c", "import os; exit('FRAMEWORKCTL_API_KEY' in os.environ)"], 1) as server:
        assert server._process.wait() == 0
