"""Events for observers, which run on a thread of their own: slow or failing ones are logged, never felt."""

from __future__ import annotations

import msgspec


class RequestReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A call that passed authentication; ``time`` is unix seconds."""

    request_id: str
    family: str
    method: str
    path: str
    time: float


class RequestFinished(msgspec.Struct, frozen=True, kw_only=True):
    """End of a call. ``status`` 499: the client went away. Times in seconds; ``first_output`` None: there was
    none.
    """

    request_id: str
    family: str
    method: str
    path: str
    status: int
    time: float
    duration: float
    first_output: float | None = None
    model: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    error: str | None = None


class EngineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An engine became ready, or died (``reason``)."""

    model: str
    pid: int
    time: float
    reason: str | None = None
