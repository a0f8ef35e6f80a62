"""Logging of every process: one line per event on stderr; progress of long work.

Lines are written by a thread, so that a pipe which nobody reads stops no process.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import threading
import time
from collections import deque

LINE_INTERVAL = 10.0  # seconds between two lines about progress where there is no terminal
_CLEAR = "\r\x1b[K"  # an unfinished bar stands in the line, maybe another process's
_BAR = 30  # characters


MOST_WAITING = 10_000  # lines; beyond, new ones are dropped and counted
MAX_LINE = 8_000  # characters of a message
MAX_TRACEBACK = 32_000
LAST_WORDS = 2.0  # seconds that waiting lines get when a process ends
_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_ESCAPED |= {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_IN_TRACEBACK = {code: text for code, text in _ESCAPED.items() if code != ord("\n")}


def cut(text: str, most: int) -> str:
    """Return ``text`` with its middle left out where it has more than about ``most`` characters."""
    half = most // 2
    if len(text) <= most:
        return text
    return f"{text[:half]} ... ({len(text) - 2 * half} characters left out) ... {text[-half:]}"


class LineFormatter(logging.Formatter):
    """A message is one line whatever a request put into it, and a traceback is indented, so that neither looks like
    lines of others. Both have a limit. ``prefix`` comes first: at a terminal, what takes an unfinished bar away.
    """

    def __init__(self, fmt: str | None = None, datefmt: str | None = None, *, prefix: str = "") -> None:
        super().__init__(fmt, datefmt)
        self._prefix = prefix

    def format(self, record: logging.LogRecord) -> str:
        return self._prefix + super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = cut(record.message, MAX_LINE).translate(_ESCAPED)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:
        text = cut(super().formatException(ei), MAX_TRACEBACK)  # type: ignore[arg-type]
        return "\n".join("    " + line for line in text.translate(_IN_TRACEBACK).split("\n"))


class QueueingHandler(logging.Handler):
    """Hands lines to a thread that writes them to a file descriptor.

    ``emit`` never waits for the reader. The thread is started by the first line, and anew in a forked child.
    """

    def __init__(self, fd: int, *, most: int = MOST_WAITING) -> None:
        super().__init__()
        self._fd, self._most = fd, most
        self._reset()
        os.register_at_fork(before=self.flush, after_in_child=self._reset)

    def _reset(self) -> None:
        self._lines: deque[bytes] = deque()
        self._change = threading.Condition(threading.Lock())
        self._writing = False
        self._thread: threading.Thread | None = None
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
        except Exception:  # noqa: BLE001  arguments that do not fit must not end a request
            line = f"(a log line of {record.name} cannot be written)\n".encode("utf-8", "backslashreplace")
        with self._change:
            if len(self._lines) >= self._most:
                self.dropped += 1
                return
            self._lines.append(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="log")
                self._thread.start()
            self._change.notify_all()

    def flush(self) -> None:
        """Wait until everything is written, for at most ``LAST_WORDS`` seconds."""
        deadline = time.monotonic() + LAST_WORDS
        with self._change:
            while (self._lines or self._writing) and self._thread is not None and self._thread.is_alive():
                if not self._change.wait(deadline - time.monotonic()):
                    return

    def close(self) -> None:
        self.flush()
        super().close()

    def _run(self) -> None:
        while True:
            with self._change:
                while not self._lines:
                    self._change.wait()
                lines, dropped = list(self._lines), self.dropped
                self._lines.clear()
                self.dropped, self._writing = 0, True
            if dropped:
                lines.append(f"{dropped} log lines were dropped: nobody read them in time\n".encode())
            with contextlib.suppress(OSError):  # nobody is left to read
                _write(self._fd, b"".join(lines))
            with self._change:
                self._writing = False
                self._change.notify_all()


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def configure(level: str) -> None:
    """Our own loggers at ``level``, everybody else's from warnings on."""
    if not logging.getLogger().handlers:
        fd = _stderr()
        form, prefix = "%(asctime)s %(levelname)s %(name)s: %(message)s", _CLEAR if os.isatty(fd) else ""
        handler = QueueingHandler(fd)
        handler.setFormatter(LineFormatter(form, "%H:%M:%S", prefix=prefix))
        logging.basicConfig(level="WARNING", handlers=[handler])
    logging.getLogger("frameworkctl").setLevel(level.upper())


def _stderr() -> int:
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # it was replaced by something that is not a file
        return 2


class Progress:
    """Progress of ``what`` in bytes: a bar at a terminal, else a log line every ten seconds."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log, self._what = log, what
        self._stream = sys.stderr
        self._bar = self._stream.isatty() and log.isEnabledFor(logging.INFO)
        self._told = time.monotonic()

    def update(self, done: int, total: int | None) -> None:
        """Report how much is done of ``total``, None if that is unknown."""
        share = None if total is None else min(done / max(total, 1), 1.0)
        size = f"{done / 1e9:.2f} GB" if share is None or total is None else f"{share:.0%} of {total / 1e9:.2f} GB"
        if self._bar:
            full = round((share or 0.0) * _BAR)
            bar = "" if share is None else f"[{'#' * full}{'-' * (_BAR - full)}] "
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(_CLEAR + f"{self._what} {bar}{size}"[:width])
            self._stream.flush()
        elif time.monotonic() - self._told >= LINE_INTERVAL:
            self._told = time.monotonic()
            self._log.info("%s: %s", self._what, size)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar:
            self._stream.write(_CLEAR)
            self._stream.flush()
