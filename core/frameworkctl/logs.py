"""How every process of ours logs: one line per event on stderr; and how far something long has come."""

from __future__ import annotations

import logging
import shutil
import sys
import time

LINE_INTERVAL = 10.0  # seconds between two lines about progress where there is no terminal
_CLEAR = "\r\x1b[K"  # an unfinished bar stands in the line, maybe another process's
_BAR = 30  # characters


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    def format(self, record: logging.LogRecord) -> str:
        return (_CLEAR if self.stream.isatty() else "") + super().format(record)


def configure(level: str) -> None:
    """Our own loggers at ``level``, everybody else's from warnings on."""
    logging.basicConfig(
        level="WARNING", format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S",
        handlers=[_Handler()],
    )  # fmt: skip
    logging.getLogger("frameworkctl").setLevel(level.upper())


class Progress:
    """How far ``what`` has come, in bytes: a bar at a terminal, else a log line every ten seconds."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log, self._what = log, what
        self._stream = sys.stderr
        self._bar = self._stream.isatty() and log.isEnabledFor(logging.INFO)
        self._told = time.monotonic()

    def update(self, done: int, total: int | None) -> None:
        """``total`` None: nobody knows."""
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
