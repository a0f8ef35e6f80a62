"""Tells observing plugins what happens, on a thread of its own: slow or failing ones are logged, never felt."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any

from frameworkctl.plugins import PluginHost, tracing

log = logging.getLogger("frameworkctl.plugins")

HOOKS = ("request_received", "request_finished", "engine_started", "engine_failed")
MOST_WAITING = 10_000  # events; beyond, new ones are dropped and counted
PAUSE = 0.02  # seconds: waking a thread for every event would cost the event loop more than the event


class Observers:
    """``tell`` never waits. Each plugin's implementation is called by itself, so that one failure stops no other."""

    def __init__(self, host: PluginHost) -> None:
        self._calls = {name: list(reversed(getattr(host.hooks, name).get_hookimpls())) for name in HOOKS}
        self._waiting: deque[tuple[str, Any]] = deque()
        self._awake = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self.dropped = 0

    def wanted(self, hook: str) -> bool:
        return bool(self._calls[hook])

    def tell(self, hook: str, event: Any) -> None:
        if not self._calls[hook]:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True, name="observers")
            self._thread.start()
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append((hook, event))
            if not self._awake.is_set():
                self._awake.set()
            return
        self.dropped += 1
        if self.dropped == 1:
            log.warning("observers cannot keep up; events are being dropped")

    def close(self, timeout: float = 2.0) -> None:
        """Let what is queued be told, for at most ``timeout`` seconds."""
        if self._thread is None:
            return
        self._closed.set()
        self._awake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._closed.is_set() or self._waiting:
            self._awake.wait()
            while self._waiting:
                self._call(*self._waiting.popleft())
            self._closed.wait(PAUSE)
            self._awake.clear()
            if self._waiting or self._closed.is_set():
                self._awake.set()

    def _call(self, hook: str, event: Any) -> None:
        for implementation in self._calls[hook]:
            try:
                with tracing.span(hook, implementation.plugin_name):
                    implementation.function(*[event for _ in implementation.argnames])
            except BaseException:  # SystemExit too: it must not end the thread for the others
                log.exception("%s of %s failed", hook, implementation.plugin_name)
