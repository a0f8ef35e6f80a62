"""A worker: sets its own limits, then answers jobs one by one until the server is gone. Torch-free."""

from __future__ import annotations

import importlib
import math
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from frameworkctl.engine.framing import Channel
from frameworkctl.errors import RequestError

from .messages import Begun, Done, Failed, FromWorker, Job, Refused

FILES = 64  # open at once


def limit(memory: int) -> None:
    """Limit this process to ``memory`` bytes of address space, no files of any size, no core dumps."""
    for kind, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, FILES),
    ):
        resource.setrlimit(kind, (value, value))


def allow_cpu(seconds: int) -> None:
    """Have the system kill this process after so much more computing time, even if its server is gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def answer(job: Job) -> FromWorker:
    module, _, name = job.function.partition(":")
    try:
        function: Callable[[Any], Any] = getattr(importlib.import_module(module), name)
        return Done(msgspec.msgpack.encode(function(msgspec.msgpack.decode(job.argument))))
    except RequestError as e:
        memory = isinstance(e.__cause__, MemoryError)
        return Failed("", True) if memory else Refused(e.message, e.param, e.code, e.status)
    except MemoryError:
        return Failed("", True)
    except Exception as e:  # noqa: BLE001  whatever it is, the one who asked is told
        return Failed(f"{type(e).__name__}: {e}", False)


def main(arguments: Sequence[str]) -> int:
    """Return ``FD MEMORY MODULE...``: serve jobs on the socket ``FD``, with the modules imported before the first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides when workers end
    fd, memory, *modules = arguments
    limit(int(memory))
    for module in modules:
        importlib.import_module(module)
    channel: Channel[Job] = Channel(socket.socket(fileno=int(fd)), Job)
    channel.send(Begun())
    while True:
        try:
            for job in channel.receive(None):
                allow_cpu(job.seconds)
                reply = answer(job)
                channel.send(reply)
                if isinstance(reply, Failed) and reply.memory:
                    return 1
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
