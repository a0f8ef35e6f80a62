"""Logs one line per finished request: a built-in observer, off with ``--plugins no:request-log``."""

from __future__ import annotations

import logging

from frameworkctl.interfaces import RequestFinished, hookimpl

log = logging.getLogger("frameworkctl.requests")


@hookimpl
def request_finished(event: RequestFinished) -> None:
    parts = [f"{event.method} {event.path} {event.status} {event.duration * 1e3:.0f} ms"]
    if event.model is not None:
        parts.append(f"model={event.model}")
    if event.prompt_tokens:
        cached = f" ({event.cached_tokens} cached)" if event.cached_tokens else ""
        parts.append(f"tokens={event.prompt_tokens}{cached}+{event.completion_tokens}")
    if event.first_output is not None:
        parts.append(f"first={event.first_output * 1e3:.0f} ms")
    if event.error is not None:
        parts.append(f"error={event.error}")
    # Load balancers ask for health all the time.
    level = logging.DEBUG if event.family == "service" else logging.INFO
    log.log(level, "%s id=%s", " ".join(parts), event.request_id)
