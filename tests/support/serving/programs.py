"""Runs Python and ``frameworkctl`` as programs of their own, and finds what they leave behind."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

FRAMEWORKCTL = str(Path(sys.executable).with_name("frameworkctl"))
TIMEOUT = 120.0
MARK = "TEST_RUN_MARK"  # an environment variable that every process of one run inherits


def environment(paths: Iterable[Path] = (), env: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without options of ours, with ``paths`` importable."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FRAMEWORKCTL_")}
    return {**clean, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}


def python(
    code: str, *, paths: Iterable[Path] = (), env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """``python -c`` in a fresh interpreter; it must end with 0."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=environment(paths, env),
        cwd=cwd,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


class Run:
    """How a run of the program ended, and the processes it left behind."""

    def __init__(self, status: int, out: str, err: str, left: list[str]) -> None:
        self.status, self.out, self.err, self.left = status, out, err, left

    @property
    def own_lines(self) -> list[str]:
        """Lines on stderr that are not log lines."""
        return [line for line in self.err.splitlines() if line.strip() and " WARNING " not in line]


def frameworkctl(
    *args: str, paths: Iterable[Path] = (), env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Run:
    """The program as a user runs it."""
    mark = uuid.uuid4().hex
    done = subprocess.run(
        [FRAMEWORKCTL, *args],
        capture_output=True,
        text=True,
        env=environment(paths, {**(env or {}), MARK: mark}),
        cwd=cwd,
        timeout=TIMEOUT,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Run(done.returncode, done.stdout, done.stderr, marked(mark))


def marked(mark: str) -> list[str]:
    """Command lines of processes that live and carry the mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
    return found


def left_behind(mark: str, grace: float = 20.0) -> list[str]:
    """What still lives when everybody has had time to see the end of the program, on a busy machine too."""
    deadline = time.monotonic() + grace
    while (found := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def command_line(process: psutil.Process) -> list[str]:
    """Nothing where it has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
