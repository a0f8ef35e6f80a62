"""Messages between the server and a worker: one job, one reply."""

from __future__ import annotations

import msgspec


class Job(msgspec.Struct, array_like=True):
    """Call ``function`` (``package.module:name``) with what ``argument`` decodes to; at most ``seconds`` of CPU."""

    function: str
    argument: bytes
    seconds: int


class Begun(msgspec.Struct, array_like=True, tag=True):
    """The worker has set its limits and imported what it was told to."""


class Done(msgspec.Struct, array_like=True, tag=True):
    result: bytes


class Refused(msgspec.Struct, array_like=True, tag=True):
    """The function raised a RequestError."""

    message: str
    param: str | None
    code: str | None
    status: int


class Failed(msgspec.Struct, array_like=True, tag=True):
    """It raised something else. ``memory``: there was not enough; the worker ends."""

    message: str
    memory: bool


FromWorker = Begun | Done | Refused | Failed
