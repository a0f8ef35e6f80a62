"""Tells observing plugins what happens, on a thread of its own: slow or failing ones are logged, never felt."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

from ..plugins import PluginHost, tracing

log = logging.getLogger("frameworkctl.plugins")

HOOKS = ("request_received", "request_finished", "engine_started", "engine_failed")
MOST_WAITING = 10_000  # events; beyond, new ones are dropped and counted


class Observers:
    """``tell`` never waits. Each plugin's implementation is called by itself, so that one failure stops no other."""

    def __init__(self, host: PluginHost) -> None:
        self._calls = {name: list(reversed(getattr(host.hooks, name).get_hookimpls())) for name in HOOKS}
        self._queue: queue.SimpleQueue[tuple[str, Any] | None] = queue.SimpleQueue()
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
        if self._queue.qsize() < MOST_WAITING:
            self._queue.put((hook, event))
            return
        self.dropped += 1
        if self.dropped == 1:
            log.warning("observers cannot keep up; events are being dropped")

    def close(self, timeout: float = 2.0) -> None:
        """Let what is queued be told, for at most ``timeout`` seconds."""
        if self._thread is None:
            return
        self._queue.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            hook, event = item
            for implementation in self._calls[hook]:
                try:
                    with tracing.span(hook, implementation.plugin_name):
                        implementation.function(*[event for _ in implementation.argnames])
                except BaseException:  # SystemExit too: it must not end the thread for the others
                    log.exception("%s of %s failed", hook, implementation.plugin_name)
