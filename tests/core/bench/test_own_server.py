"""Servers that are started for a measurement do not outlive it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from frameworkctl.bench.own_server import ServerProcess

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


def until_it_said_something(server: ServerProcess) -> None:
    while server._output.tell() == 0:
        server._output.seek(0, 2)


def test_a_second_ctrl_c_ends_the_wait_and_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not heed SIGTERM is waited for; who does not want to wait leaves nothing behind."""
    wait = subprocess.Popen.wait

    def interrupted(self: Any, timeout: float | None = None) -> int:
        if timeout is not None:
            raise KeyboardInterrupt
        return wait(self)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt), ServerProcess([sys.executable, "-c", DEAF], 1) as server:
        until_it_said_something(server)  # it is deaf from then on
    assert not psutil.pid_exists(server._process.pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_right_after_the_fork_leaves_nothing(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anybody has the process in hands."""
    started: list[int] = []
    plain = subprocess.Popen

    def forks(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        process = plain(*args, **kwargs)
        started.append(process.pid)
        signal.raise_signal(number)
        return process

    def ends(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    monkeypatch.setattr(subprocess, "Popen", forks)
    before = signal.signal(number, ends)
    try:
        with (
            pytest.raises(SystemExit, match=str(128 + number)),
            ServerProcess([sys.executable, "-c", "import time; time.sleep(600)"], 1),
        ):
            raise AssertionError("it goes on")
        assert signal.getsignal(number) is ends
    finally:
        signal.signal(number, before)
    assert started
    assert not psutil.pid_exists(started[0])


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
