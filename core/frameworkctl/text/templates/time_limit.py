"""A time limit on a call in this thread: one that takes too long is ended by an exception raised inside it."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import threading
import time
from collections.abc import Callable


def within(seconds: float, work: Callable[[], str]) -> str:
    """Return ``work()``; raises ``TimeoutError`` when it takes longer than ``seconds``."""
    return _watchdog_of(os.getpid()).run(work, seconds)


@functools.lru_cache(maxsize=1)
def _watchdog_of(process: int) -> _Watchdog:
    return _Watchdog()  # by process, since a fork does not take the thread along


class _Expired(BaseException):
    """Raised by the watchdog inside a thread; no Exception, so that no template code catches it."""


class _Ticket:
    __slots__ = ("aimed", "due", "fired", "thread")

    def __init__(self, due: float) -> None:
        self.due, self.thread, self.aimed, self.fired = due, threading.get_ident(), False, False


class _Watchdog:
    """Ends calls that take too long, by raising in their thread; has one daemon thread for all of them.

    It aims, looks whether the ticket is still there, and fires; a call takes its ticket back, and then waits while it
    is aimed at. So none is hit after its end.
    """

    def __init__(self) -> None:
        self._live: set[_Ticket] = set()
        self._wake_at = math.inf  # until then the thread sleeps: nobody has to ring for a later deadline
        self._bell = threading.Lock()  # released to ring: an Event would stay locked if we raised inside its set()
        self._bell.acquire()
        threading.Thread(target=self._watch, name="time-limits", daemon=True).start()

    def run(self, work: Callable[[], str], timeout: float) -> str:
        ticket = _Ticket(time.monotonic() + timeout)
        try:
            try:
                self._live.add(ticket)
                if ticket.due < self._wake_at:
                    with contextlib.suppress(RuntimeError):  # it has been rung already
                        self._bell.release()
                return work()
            finally:
                self._take_back(ticket)
        except _Expired:
            self._take_back(ticket)
            raise TimeoutError from None

    def _take_back(self, ticket: _Ticket) -> None:
        self._live.discard(ticket)
        while ticket.aimed:
            time.sleep(0.001)
        if ticket.fired:
            # One that is cancelled (raised as NULL) leaves CPython's eval breaker set for the whole process: every
            # loop is slower from then on, and a traced function never starts. So it is raised here and swallowed.
            with contextlib.suppress(_Expired):
                _raise_in(ticket.thread, _Expired)
                for _ in range(100):
                    pass

    def _watch(self) -> None:
        while True:
            self._wake_at = math.inf  # before looking: who comes while we look and is not seen, rings
            now, nearest = time.monotonic(), math.inf
            for ticket in list(self._live):
                if ticket.due <= now:
                    ticket.aimed = True
                    if ticket in self._live:
                        ticket.fired = True
                        _raise_in(ticket.thread, _Expired)
                        ticket.due = now + 1  # and again, for a destructor or the like may have swallowed it
                    ticket.aimed = False
                nearest = min(nearest, ticket.due)
            self._wake_at = nearest
            self._bell.acquire(timeout=min(max(nearest - now, 0), threading.TIMEOUT_MAX))


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise in a thread before its next bytecode; one that was not raised there yet is replaced."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
