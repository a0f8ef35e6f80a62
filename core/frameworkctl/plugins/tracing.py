"""``FRAMEWORKCTL_TRACE_HOOKS=1``: one line on stderr per hook call, with who answered and how long it took."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pluggy

VARIABLE = "FRAMEWORKCTL_TRACE_HOOKS"


def enabled() -> bool:
    return os.environ.get(VARIABLE, "") not in ("", "0")


def install(manager: pluggy.PluginManager) -> None:
    """Trace every call that goes through pluggy; nothing at all where tracing is off."""
    if not enabled():
        return
    running = threading.local()  # hooks are called from several threads, and from within each other

    def before(hook_name: str, methods: Sequence[pluggy.HookImpl], kwargs: Any) -> None:
        running.started = [*getattr(running, "started", ()), time.perf_counter()]

    def after(outcome: pluggy.Result[Any], hook_name: str, methods: Sequence[pluggy.HookImpl], kwargs: Any) -> None:
        seconds = time.perf_counter() - running.started.pop()
        _write(hook_name, ", ".join(m.plugin_name for m in methods), seconds, outcome.exception)

    manager.add_hookcall_monitoring(before, after)


@contextmanager
def span(hook: str, plugin: str) -> Iterator[None]:
    """Trace a call that core makes directly."""
    start = time.perf_counter()
    try:
        yield
    finally:
        if enabled():
            _write(hook, plugin, time.perf_counter() - start, sys.exc_info()[1])


def _write(hook: str, plugins: str, seconds: float, error: BaseException | None) -> None:
    ending = f" raised {type(error).__name__}: {error}" if error is not None else ""
    sys.stderr.write(f"hook {hook} [{plugins}] {seconds * 1e3:.3f} ms{ending}\n")
