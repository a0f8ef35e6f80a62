"""The errors a request can end with, in the shape the OpenAI API gives them."""

from __future__ import annotations

from typing import Any

TYPE_BY_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    499: "request_cancelled",
}


MAX_MESSAGE = 2000  # characters of what a client is told: a value that it sent is not sent back whole
MAX_PARAM = 200


def clipped(text: str, most: int) -> str:
    """Return ``text`` with its middle left out where it has more than about ``most`` characters."""
    if len(text) <= most:
        return text
    head, tail = most * 3 // 4, most // 4
    return f"{text[:head]} ... ({len(text) - head - tail} characters left out) ... {text[-tail:]}"


class RequestError(Exception):
    """A request that cannot be served, and why, in words for the client.

    ``status`` is the HTTP status (400 unless said), ``param`` the path of the offending field
    (``messages[0].content``),
    ``code`` a short word that programs can switch on. Anything a plugin raises of this type reaches the client, with
    the middle of a message left out that has more than ``MAX_MESSAGE`` characters.
    """

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int = 400,
        type: str | None = None,  # the wire name of the field
        headers: dict[str, str] | None = None,
    ) -> None:
        message = clipped(message, MAX_MESSAGE)
        super().__init__(message)
        self.message = message
        self.param = None if param is None else clipped(param, MAX_PARAM)
        self.code = code
        self.status = status
        self.type = type or TYPE_BY_STATUS.get(status, "server_error" if status >= 500 else "invalid_request_error")
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """Return ``{"error": {"message", "type", "param", "code"}}``."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def bad(param: str, message: str, code: str = "invalid_value") -> RequestError:
    """Return a 400 about the value of one field."""
    return RequestError(message, param=param, code=code)


class EngineError(RequestError):
    """The engine could not finish this request (its own fault or a plugin's): HTTP 500 unless said."""

    def __init__(self, message: str, *, code: str = "engine_error", status: int = 500) -> None:
        super().__init__(message, code=code, status=status)


class UnavailableError(RequestError):
    """The engine is loading, restarting or draining: HTTP 503 with ``Retry-After`` (seconds)."""

    def __init__(self, message: str, *, code: str, retry_after: int = 1) -> None:
        super().__init__(message, code=code, status=503, headers={"retry-after": str(retry_after)})


class ConfigError(Exception):
    """A start-up mistake of the operator (flag, file, plugin, checkpoint): printed as one line, exit status 2."""
