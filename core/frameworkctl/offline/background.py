"""A service on an event loop of its own, on a thread of its own, for code that knows no event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from frameworkctl.config import Options
from frameworkctl.plugins import PluginHost
from frameworkctl.server.calls.service import Service
from frameworkctl.server.engines.supervisor import NurseryProcess
from frameworkctl.server.startup import started

log = logging.getLogger("frameworkctl.offline")
T = TypeVar("T")
LOOK = 0.1  # seconds between two looks at how far the work has come


class Background:
    """Ready when constructed; ``close`` ends its engines. Its thread never keeps a program from ending."""

    def __init__(self, options: Options, host: PluginHost, nursery: NurseryProcess) -> None:
        self._options, self._host, self._nursery = options, host, nursery
        self._pid = os.getpid()
        self._loop = _new_loop()
        self._stop = asyncio.Event()
        self._ready: concurrent.futures.Future[Service] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, name="frameworkctl", daemon=True)
        self._thread.start()
        try:
            self.service = self._ready.result()
        except BaseException:
            self.close()
            raise

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._live())
        except BaseException as e:  # raised again where it is waited for
            if self._ready.done():
                log.exception("the engines of an LLM ended")
            else:
                self._ready.set_exception(e)
        finally:
            self._nursery.close()
            self._loop.close()

    async def _live(self) -> None:
        stop = asyncio.ensure_future(self._stop.wait())
        async with started(self._options, self._host, self._nursery) as service:
            ready = asyncio.ensure_future(service.supervisor.wait_ready())
            await asyncio.wait((stop, ready), return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                ready.result()
                self._ready.set_result(service)
            await stop
            await _cancel_others()

    def run(self, work: Coroutine[Any, Any, T], look: Callable[[], None] | None = None) -> T:
        """Do the work on the loop; whatever interrupts the wait (Ctrl-C) cancels it. ``look`` is called as it goes on.

        Raises:
            RuntimeError: it is closed.
        """
        if not self._thread.is_alive() or self._stop.is_set():
            work.close()
            raise RuntimeError("this LLM is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while look is not None and not concurrent.futures.wait((future,), LOOK).done:
                look()
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the engines and wait for it. A fork of this process leaves them alone."""
        if os.getpid() != self._pid or not self._thread.is_alive():
            return
        with contextlib.suppress(RuntimeError):  # it has ended in this moment
            self._loop.call_soon_threadsafe(self._stop.set)
        if threading.current_thread() is not self._thread:  # where the garbage collector may call from
            self._thread.join()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def _cancel_others() -> None:
    """Cancel the tasks that still run when an LLM is closed."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
