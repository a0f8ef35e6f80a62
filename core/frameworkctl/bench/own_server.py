"""A server program started for a measurement, and stopped after it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Sequence

from frameworkctl.errors import ConfigError

from .http import Broken, Connection, Target

START_TIMEOUT = 900.0  # seconds; others compile for minutes
STOP_TIMEOUT = 60.0
LOOK = 0.005  # seconds between two tries to reach it
KEY = "FRAMEWORKCTL_API_KEY"  # would make the server ask for it; only this program talks to it
TAIL = 2000  # bytes of its output that are shown when it fails


def ours(arguments: Sequence[str], port: int) -> list[str]:
    """Return the command of ``frameworkctl serve`` in this environment."""
    program = [sys.executable, "-P", "-m", "frameworkctl", "serve"]
    return [*program, *arguments, "--host", "127.0.0.1", "--port", str(port)]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class ServerProcess:
    """A program that is to listen on 127.0.0.1, with what it writes kept in a file. A context manager: started at the
    beginning, and stopped at the end, with all processes of its session."""

    def __init__(self, command: Sequence[str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command = command
        self._process: subprocess.Popen[bytes]

    def check(self) -> None:
        """Raise ConfigError, with its last words, where it has ended."""
        status = self._process.poll()
        if status is None:
            return
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - TAIL))
        said = self._output.read().decode(errors="replace").strip()
        raise ConfigError(f"the server ended with status {status}:\n{said}")

    def __enter__(self) -> ServerProcess:
        """Raise ConfigError if there is no such program."""
        environment = {name: value for name, value in os.environ.items() if name != KEY}
        self._output = tempfile.TemporaryFile()
        try:
            with _signals_wait():
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=self._output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=environment,
                )
        except OSError as e:
            self._output.close()
            raise ConfigError(f"cannot start {self._command[0]!r}: {e.strerror}") from e
        except BaseException:  # a signal that came meanwhile
            if hasattr(self, "_process"):
                self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT)
        finally:  # also where Ctrl-C ends the waiting
            with contextlib.suppress(ProcessLookupError):  # what is left of it, if anything
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._output.close()


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """SIGINT and SIGTERM are heard at the end: they must not leave a process that nobody knows of."""
    if threading.current_thread() is not threading.main_thread():  # where no signal interrupts
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for caught in came:
        signal.raise_signal(caught)


@contextlib.asynccontextmanager
async def own_server(arguments: Sequence[str]) -> AsyncIterator[str]:
    """Yield ``frameworkctl serve`` with these arguments, ready; its url. Raises ConfigError where it cannot start."""
    port = free_port()
    with ServerProcess(ours(arguments, port), port) as server:
        target = Target.parse(server.url)
        await healthy(server, target)
        yield server.url


async def healthy(server: ServerProcess, target: Target) -> None:
    """Wait until ``/health`` answers 200."""
    connection = Connection(target)
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while True:
                server.check()
                with contextlib.suppress(Broken):
                    status, _ = await connection.fetch(target.get("/health"))
                    if status == 200:
                        return
                await asyncio.sleep(LOOK)
    except TimeoutError:
        raise ConfigError(f"the server was not ready within {START_TIMEOUT:g} s") from None
    finally:
        connection.close()
