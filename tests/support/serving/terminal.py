"""A program at a terminal: typed at, and read from, through a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import time
from collections.abc import Sequence
from types import TracebackType

CTRL_C, CTRL_D = "\x03", "\x04"


class Terminal:
    """Runs ``command``; ``text`` is all it has shown so far, with what was typed echoed by the terminal."""

    def __init__(self, command: Sequence[str], env: dict[str, str]) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execve(command[0], list(command), {**env, "TERM": "dumb"})
        self.text = ""
        self._seen = 0
        self.status: int | None = None

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def expect(self, text: str, timeout: float = 60.0) -> str:
        """Wait until ``text`` is shown after what was expected last; returns what came before it."""
        deadline = time.monotonic() + timeout
        while (at := self.text.find(text, self._seen)) < 0:
            if time.monotonic() > deadline or not self._read(0.1):
                raise AssertionError(f"{text!r} did not come after {self.text[: self._seen]!r}: {self.text!r}")
        before, self._seen = self.text[self._seen : at], at + len(text)
        return before

    def interrupt(self, until: str, timeout: float = 60.0) -> None:
        """Press Ctrl-C as a person does: again when nothing happens, until ``until`` is shown.

        The first can be lost: CPython's readline (3.11) notes a signal only while it waits in ``select``,
        and one that comes between showing the prompt and waiting there is told of at the next key.
        """
        deadline = time.monotonic() + timeout
        while True:
            self.type(CTRL_C)
            with contextlib.suppress(AssertionError):
                self.expect(until, min(5.0, timeout))
                return
            assert time.monotonic() < deadline, f"{until!r} did not come: {self.text!r}"

    def wait(self, timeout: float = 60.0) -> int:
        """Until it ends; returns its exit status."""
        deadline = time.monotonic() + timeout
        while self._read(0.1):
            assert time.monotonic() < deadline, f"it does not end: {self.text!r}"
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def _read(self, timeout: float) -> bool:
        """False at the end of its output."""
        if not select.select([self._fd], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:  # how Linux tells that the other side is closed
            return False
        self.text += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)
