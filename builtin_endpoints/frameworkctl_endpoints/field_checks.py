"""Checks of a request's fields before any model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frameworkctl.interfaces import Call, bad

from .generation_fields import HARMLESS, NOTHING, REPLACED, WHY, GenerationFields

MAX_SALT = 1024
MAX_REQUEST_ID = 256
INT64 = range(-(2**63), 2**63)


def check_fields(request: GenerationFields, call: Call, unsupported: Sequence[str]) -> None:
    """Refuse what would otherwise be ignored, and what is out of its range or its place.

    Raises:
        RequestError: 400 naming the field.
    """
    for name, successor in REPLACED.items():
        if getattr(request, name) is not None:
            raise bad(name, f"{name} is no longer a field: send {successor} instead.", "unsupported_parameter")
    for name in unsupported:
        if asks_for_something(name, getattr(request, name)):
            why = f": {WHY[name]}" if name in WHY else ""
            raise bad(name, f"{name} is not supported by this server{why}.", "unsupported_parameter")
    if request.stream_options is not None and not request.stream:
        raise bad("stream_options", "stream_options is only possible with stream=true.")
    if request.stream and request.prompt_logprobs:
        raise bad("prompt_logprobs", "prompt_logprobs is not possible with stream=true.")
    if request.stream_interval is not None and request.stream_interval < 1:
        raise bad("stream_interval", f"stream_interval must be at least 1, got {request.stream_interval}.")
    for key, value in (request.vllm_xargs or {}).items():
        numbers = [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, int)]
        if any(n not in INT64 for n in numbers):
            raise bad(f"vllm_xargs.{key}", f"vllm_xargs.{key:.80}: integers must fit 64 bits.")
    check_scheduling(request.priority, request.cache_salt)
    take_request_id(request.request_id, call)


def check_scheduling(priority: int | None, salt: str | None) -> None:
    """Check the fields of all families that concern order and the prefix cache."""
    if priority is not None and priority not in INT64:
        raise bad("priority", "priority must be a 64-bit integer.")
    if salt is not None and not (0 < len(salt) <= MAX_SALT and salt.isprintable()):
        raise bad("cache_salt", f"cache_salt must have 1 to {MAX_SALT} printable characters.")


def take_request_id(wanted: str | None, call: Call) -> None:
    """Use a body's ``request_id`` for the call, unless a header has named one."""
    if wanted is not None:
        if not (0 < len(wanted) <= MAX_REQUEST_ID and wanted.isprintable() and wanted.isascii()):
            raise bad("request_id", f"request_id must have 1 to {MAX_REQUEST_ID} printable ASCII characters.")
        if "x-request-id" not in call.headers:
            call.request_id = wanted


def asks_for_something(name: str, value: Any) -> bool:
    """Return whether a field that cannot be served has a value that would need it to be."""
    if value is None or value in HARMLESS.get(name, ()):
        return False
    return not any(value is v or (v == value and v != 0) for v in NOTHING)
