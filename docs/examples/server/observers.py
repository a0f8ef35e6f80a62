"""Watching: these run on a thread of their own, so that they may be slow, and may fail."""

from __future__ import annotations

from frameworkctl.interfaces import EngineEvent, RequestFinished, RequestReceived, hookimpl

seen: list[str] = []


@hookimpl
def request_received(event: RequestReceived) -> None:
    seen.append(f"{event.request_id} came")


@hookimpl
def request_finished(event: RequestFinished) -> None:
    seen.append(f"{event.request_id} ended with {event.status} after {event.completion_tokens} tokens")


@hookimpl
def engine_started(event: EngineEvent) -> None:
    seen.append(f"{event.model} is up")


@hookimpl
def engine_failed(event: EngineEvent) -> None:
    seen.append(f"{event.model} is down: {event.reason}")
