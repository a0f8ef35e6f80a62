"""The nursery: a process that has torch imported and forks engines, which then start in hundredths of a second.

It is started before the server reads its configuration, touches no device, runs no parallel code (so that a fork finds
no threads to lose), and ends when the server does.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import select
import signal
import socket
import sys
from types import FrameType

from frameworkctl import logs

from .framing import pack
from .messages import Exited, Forked

log = logging.getLogger("frameworkctl.engine")

# Spinning OpenMP threads are quick to wake, but beside a busy process they turn a step of milliseconds into tens: the
# spinners are scheduled out while holding the barrier. Measured with a 2-layer model beside another process on 2 cores:
# 10.9 ms a step spinning, 3.5 ms passive. Must be in the environment before torch loads its runtime.
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def command(fd: int, log_level: str) -> list[str]:
    """Return how the server starts the nursery; ``fd`` is its end of a socket pair.

    It imports from where the server does: from the current folder, which may be a checkpoint's, only if that does.
    """
    safe_path = [] if {"", os.getcwd()} & set(sys.path) else ["-P"]
    return [sys.executable, *safe_path, "-m", "frameworkctl.engine.nursery", str(fd), log_level]


def environment() -> dict[str, str]:
    return {**ENVIRONMENT, **os.environ}


def serve(control: socket.socket) -> None:
    """Fork on request and report children that end, until the server is gone."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, _nothing)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(wake_read, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == wake_read:
                os.read(wake_read, 4096)
                _reap(control)
            elif not _handle(control):
                return


def _nothing(signum: int, frame: FrameType | None) -> None:
    """SIGCHLD only has to wake the poll."""


def _handle(control: socket.socket) -> bool:
    """Handle one request; return False when the server has gone. A request is one datagram of 8 bytes with one
    descriptor.
    """
    data, fds, _, _ = socket.recv_fds(control, 8, 1)
    if not data:
        return False
    if not fds:
        log.error("no free file descriptor for an engine; the server tries again")
        return True
    try:
        pid = os.fork()
    except OSError as e:
        log.error("an engine cannot be forked (%s); the server tries again", e)
        os.close(fds[0])
        return True
    if pid == 0:
        _become_engine(control, fds[0])
    os.close(fds[0])
    control.sendall(pack(Forked(int.from_bytes(data, "little"), pid)))
    return True


def _become_engine(control: socket.socket, fd: int) -> None:
    """Run the child's side of the fork; never return."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        control.close()
        from .process import main

        status = main(socket.socket(fileno=fd))
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        log.exception("the engine died")
    finally:
        logging.shutdown()
        os._exit(status)


def _reap(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        control.sendall(pack(Exited(pid, os.waitstatus_to_exitcode(status))))


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides when engines end
    logs.configure(sys.argv[2])
    control = socket.socket(fileno=int(sys.argv[1]))
    from . import process  # noqa: F401  the point of the nursery: this imports torch once for all engines

    gc.collect()
    gc.freeze()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        serve(control)
    return 0


if __name__ == "__main__":
    sys.exit(main())
