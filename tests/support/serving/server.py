"""Starts ``frameworkctl serve`` as users do, and stops it by its pid."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

START_TIMEOUT = 180.0  # seconds; a machine may be busy with other things


class RunningServer:
    """A server process on 127.0.0.1 and its log file."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log_path = process, port, log
        self.url = f"http://127.0.0.1:{port}"
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def health(self) -> dict[str, Any]:
        return httpx.get(f"{self.url}/health", timeout=10).json()

    def openai(self, **kwargs: Any) -> Any:
        """Return a client; the same one for the same options, because making one takes a while."""
        import openai

        key = repr(sorted(kwargs.items()))
        with self._lock:
            if key not in self._clients:
                options = {"api_key": "none", "max_retries": 0, **kwargs}
                self._clients[key] = openai.OpenAI(base_url=f"{self.url}/v1", **options)
            return self._clients[key]

    def processes(self) -> list[psutil.Process]:
        """The server, the nursery and the engines."""
        server = psutil.Process(self.process.pid)
        return [server, *server.children(recursive=True)]

    def logged(self, pattern: str, timeout: float = 30.0) -> str:
        """Return the log once ``pattern`` (a regular expression) is in it: a thread writes lines a little later."""
        deadline = time.monotonic() + timeout
        while not re.search(pattern, log := self.log, re.MULTILINE):
            assert time.monotonic() < deadline, f"never logged {pattern!r}:\n{log}"
            time.sleep(0.02)
        return log

    def engine_pid(self, model: str) -> int:
        """Of the engine that announced itself last for this model."""
        self.logged(f"{re.escape(model)} is ready.* pid")
        for line in reversed(self.log.splitlines()):
            if f"{model} is ready" in line:
                return int(line.rpartition("pid ")[2])
        raise AssertionError(f"no engine of {model} in the log")

    def wait(self, status: int = 200, timeout: float = START_TIMEOUT) -> None:
        """Until /health answers with ``status``."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log}")
            try:
                if httpx.get(f"{self.url}/health", timeout=5).status_code == status:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"/health did not become {status}:\n{self.log}")

    def wait_idle(self, timeout: float = 60.0) -> None:
        """Until no model computes anything."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            models = self.health()["models"].values()
            if all(m.get("running") == 0 and m.get("waiting") == 0 for m in models):
                return
            time.sleep(0.02)
        raise AssertionError(f"still busy: {self.health()}")

    def stop(self, timeout: float = 60.0) -> int:
        """SIGTERM, then wait; returns the exit status. Nothing of it may be left behind."""
        family = self.processes() if self.process.poll() is None else []
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
        finally:
            for process in family:
                if not ended(process, timeout):
                    process.kill()
                    raise AssertionError(f"{process} outlived the server") from None
        return status


def ended(process: psutil.Process, timeout: float) -> bool:
    """Whether it ends in time; one that nobody has asked how it ended is gone too."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(timeout)
            return True
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def start_server(
    args: Sequence[str],
    *,
    env: dict[str, str] | None = None,
    wait: bool = True,
    program: str | None = None,
    cwd: Path | None = None,
) -> RunningServer:
    """``frameworkctl serve ARGS`` on a free port."""
    log = Path(tempfile.mkstemp(prefix="frameworkctl-", suffix=".log")[1])
    command = [program or str(Path(sys.executable).with_name("frameworkctl")), "serve", *args, "--port", "0"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
    running = RunningServer(process, _port(process, log), log)
    if wait:
        running.wait()
    return running


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """From the line with which the server says where it listens."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        for line in log.read_text(errors="replace").splitlines():
            if "listening on http://" in line:
                return int(line.rpartition(":")[2])
        if process.poll() is not None:
            raise AssertionError(f"the server ended with {process.returncode}:\n{log.read_text()}")
        time.sleep(0.01)
    raise AssertionError(f"the server does not listen:\n{log.read_text()}")
