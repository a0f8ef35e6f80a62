"""The life of one call, over HTTP or a WebSocket: counted, observed, and its work ended with it."""

from __future__ import annotations

import time
from types import TracebackType

from frameworkctl.interfaces.endpoint import Call
from frameworkctl.interfaces.observation import RequestFinished, RequestReceived

from .scope import CallScope
from .service import Service

CLIENT_LEFT = 499


class RunningCall:
    """Use as a context manager around all that is done for a call; set ``status`` and ``error`` before its end.

    ``status`` is an HTTP status, of a WebSocket the one that its close code stands for.
    """

    def __init__(self, call: Call, service: Service) -> None:
        self.call, self.scope = call, CallScope(call, service)
        self.status = 500
        self.error: str | None = None
        self._service = service

    def __enter__(self) -> RunningCall:
        self._service.open_calls += 1
        self._service.observers.tell(
            "request_received",
            RequestReceived(
                request_id=self.call.request_id,
                family=self.call.endpoint.family,
                method=self.call.method,
                path=self.call.path,
                time=time.time(),
            ),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.scope.close()
        self._service.open_calls -= 1
        call, scope = self.call, self.scope
        self._service.observers.tell(
            "request_finished",
            RequestFinished(
                request_id=call.request_id,
                family=call.endpoint.family,
                method=call.method,
                path=call.path,
                status=self.status,
                time=time.time(),
                duration=time.monotonic() - call.received,
                first_output=None if scope.first_output is None else scope.first_output - call.received,
                model=scope.served,
                prompt_tokens=scope.usage.prompt_tokens,
                completion_tokens=scope.usage.completion_tokens,
                cached_tokens=scope.usage.cached_tokens,
                error=self.error,
            ),
        )
