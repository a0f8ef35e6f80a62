"""Lines of OpenAI batch files: requests as they come in, answers as they go out."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from frameworkctl.errors import RequestError

LINE_ID = "batch_req_line_"  # begins the id of an answer to a line that no custom_id stands for


class BatchRequest(msgspec.Struct):
    """One line: what to ask, and by which name the answer is found."""

    custom_id: str
    url: str
    body: msgspec.Raw
    method: str = "POST"


class BatchResponse(msgspec.Struct):
    """Answer that a server would have given."""

    status_code: int
    request_id: str
    body: Any


class BatchAnswer(msgspec.Struct):
    """One line of output. ``error`` (code, message) repeats what failed, beside the response that has it in full."""

    id: str
    custom_id: str | None
    response: BatchResponse
    error: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        """Return what a line is known by when work goes on: its custom_id, or its place where it has none of its
        own.
        """
        return self.id if self.custom_id is None or self.id.startswith(LINE_ID) else self.custom_id

    @property
    def failed(self) -> bool:
        return self.response.status_code >= 400


class _Name(msgspec.Struct):
    custom_id: Any = None


class _Stream(msgspec.Struct):
    stream: Any = None


class _Line(BatchRequest):
    """A line as it is read: a custom_id may be a number, which is answered as a text."""

    custom_id: str | int | float  # type: ignore[assignment]


_request = msgspec.json.Decoder(_Line)
_name = msgspec.json.Decoder(_Name)
_stream = msgspec.json.Decoder(_Stream)
_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def read_request(line: bytes) -> BatchRequest:
    """Raise RequestError naming what is wrong with the line."""
    try:
        read = _request.decode(line)
    except _UNREADABLE as e:
        raise RequestError(f"This line is no batch request: {e}", code="invalid_line") from None
    request = BatchRequest(_text(read.custom_id), read.url, read.body, read.method)
    if not request.custom_id:
        raise RequestError("custom_id must not be empty.", param="custom_id", code="invalid_line")
    if request.method != "POST":
        raise RequestError(f"method must be POST, got {request.method!r:.40}.", param="method", code="invalid_line")
    if not request.url.startswith("/"):
        raise RequestError(
            f"url must be a path such as /v1/chat/completions, got {request.url!r:.120}.",
            param="url",
            code="invalid_line",
        )
    return request


def name_of(line: bytes) -> str | None:
    """Return the custom_id of a line that may be wrong otherwise."""
    try:
        name = _name.decode(line).custom_id
    except _UNREADABLE:
        return None
    named = isinstance(name, (str, int, float)) and not isinstance(name, bool)
    return (_text(name) or None) if named else None


def _text(name: Any) -> str:
    """Return a custom_id as it is answered: a number as JSON writes it."""
    return name if isinstance(name, str) else msgspec.json.encode(name).decode()


def refuse_stream(body: bytes) -> None:
    """Raise RequestError: a file has no use for a stream. What is no object, its endpoint refuses."""
    try:
        wanted = _stream.decode(body).stream
    except _UNREADABLE:
        return
    if wanted:
        raise RequestError("stream is not possible in a batch.", param="stream", code="unsupported_parameter")


def answer(custom_id: str | None, status: int, request_id: str, body: Any, *, id_: str | None = None) -> BatchAnswer:
    """Return a line of the answer; ``body`` is the endpoint's, or an error's."""
    error = None
    if status >= 400:
        told = body.get("error") if isinstance(body, dict) else None
        told = told if isinstance(told, dict) else {"message": str(body)[:200]}
        error = {"code": told.get("code"), "message": told.get("message")}
    response = BatchResponse(status, request_id, body)
    return BatchAnswer(id_ or f"batch_req_{uuid.uuid4().hex}", custom_id, response, error)


def refusal(custom_id: str | None, error: RequestError, *, id_: str | None = None) -> BatchAnswer:
    """Return the answer to a line that came to no endpoint."""
    return answer(custom_id, error.status, uuid.uuid4().hex, error.body(), id_=id_)
