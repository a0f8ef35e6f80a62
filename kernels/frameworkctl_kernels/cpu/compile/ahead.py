"""Compiles the CPU kernels while something else computes: ``python -m frameworkctl_kernels.cpu.compile.ahead``."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from types import FrameType

from frameworkctl_kernels.protocol import BackendUnavailable

from . import build
from .intact import intact, noted

_PR_SET_PDEATHSIG = 1


def ready() -> bool:
    """Return True if the kernels are compiled and whole, or can never be, so that trying them takes no time."""
    try:
        made = build.place()
        return intact(made) or (made.is_file() and not noted(made))  # the latter takes only a test
    except BackendUnavailable:
        return True


def main() -> int:
    """Compile them if nobody else does, at the lowest priority; ends with the process that started it."""
    with contextlib.suppress(OSError):
        os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGTERM, _end)
    if os.getppid() == 1:
        return 1  # it was gone already
    os.nice(19)
    try:
        build.library(wait=False)
    except BackendUnavailable as e:
        print(f"the CPU kernels cannot be compiled: {e}", file=sys.stderr)
        return 1
    return 0


def _end(signum: int, frame: FrameType | None) -> None:
    """Compilers that still run are of this process's session, and end with it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    raise SystemExit(1)


if __name__ == "__main__":
    raise SystemExit(main())
