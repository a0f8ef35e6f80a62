"""Grammars of an engine: compiled in threads beside its steps, kept, and given up when they take too long."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from frameworkctl.interfaces.generation.structured import GrammarCompiler, Matcher

from .timed_masks import TimedMasks, start_thread

log = logging.getLogger("frameworkctl.engine")

KEPT = 128  # compiled grammars
TIME_LIMIT = 20.0  # seconds from the request to its grammar, waiting for a thread included
THREADS = 2  # so that one slow grammar does not hold up the next one
MAX_STUCK = 8  # threads that compile what nobody waits for, and are replaced


class Compiling:
    """A grammar on its way. ``result`` is its matcher at the start, or why there is none."""

    __slots__ = ("asked", "begun", "result", "text")

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, time.monotonic()
        self.begun = False
        self.result: Matcher | str | None = None


class Grammars:
    """``ask`` for a grammar, then look at ``done`` after each ``wake``; one thread calls all methods.

    The compiler is made once, by the first thread: early, while weights are read (``start``), because making it holds
    the interpreter for as long as a second, or with the first grammar.
    """

    def __init__(
        self, make: Callable[[], GrammarCompiler], wake: Callable[[], None], time_limit: float | None = None
    ) -> None:
        self._make, self._wake = make, wake
        self._time_limit = time_limit
        self._stuck = 0
        self._masks: TimedMasks | None = None
        self._compiler: GrammarCompiler | None = None
        self._ready_at = 0.0
        self._failed: str | None = None
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Compiling] = OrderedDict()
        self._waiting: dict[int, Compiling] = {}  # whoever asked -> what for
        self._todo: queue.SimpleQueue[Compiling] = queue.SimpleQueue()
        self._threads = 0

    @property
    def compiler(self) -> GrammarCompiler:
        """Return the compiler, which there is as soon as any grammar is done."""
        assert self._compiler is not None
        return self._compiler

    @property
    def masks(self) -> TimedMasks:
        """Return the masks of the compiler."""
        if self._masks is None:
            self._masks = TimedMasks(self.compiler)
        return self._masks

    def start(self) -> None:
        """Make the compiler now."""
        self._threads += 1
        start_thread(self._work, f"grammars-{self._threads}")

    def give_up(self, text: str, why: str) -> None:
        """Refuse a grammar from now on."""
        item = self._kept.get(text)
        if item is not None:
            item.result = why

    def ask(self, who: int, text: str) -> None:
        """Compile a grammar, unless that was done or is under way."""
        item = self._kept.get(text)
        if item is None:
            item = self._kept[text] = Compiling(text)
            self._todo.put(item)
            if self._threads < THREADS + min(self._stuck, MAX_STUCK):
                self.start()
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(text)
        self._waiting[who] = item

    def forget(self, who: int) -> None:
        """Forget a request that no longer waits."""
        self._waiting.pop(who, None)

    @property
    def time_left(self) -> float | None:
        """Seconds until somebody has waited too long; None where nobody waits."""
        if not self._waiting or self._compiler is None:
            return None
        return max(0.0, min(map(self._deadline, self._waiting.values())) - time.monotonic())

    def _deadline(self, item: Compiling) -> float:
        """Nobody is told that a grammar is slow because the compiler was not there yet."""
        return max(item.asked, self._ready_at) + self._limit

    @property
    def _limit(self) -> float:
        return TIME_LIMIT if self._time_limit is None else self._time_limit

    def done(self) -> list[tuple[int, Matcher | str]]:
        """Whose grammars are there since, or why they are not."""
        out = []
        for who, item in list(self._waiting.items()):
            late = self._compiler is not None and time.monotonic() >= self._deadline(item)
            if item.result is None and late:
                item.result = f"this grammar needs more than {self._limit:g} seconds to compile; make it simpler"
                self._stuck += item.begun
            if item.result is not None:
                del self._waiting[who]
                out.append((who, item.result))
        return out

    def _work(self) -> None:
        with self._lock:
            if self._compiler is None and self._failed is None:
                self._begin()
        while True:
            item = self._todo.get()
            if item.result is None:
                item.begun = True
                result = self._compiled(item.text)
                self._stuck -= item.result is not None
                item.result = item.result or result  # one given up stays so
            self._wake()

    def _begin(self) -> None:
        try:
            self._compiler = self._make()
            self._ready_at = time.monotonic()
        except Exception as e:  # noqa: BLE001 - a plugin may raise anything; requests that need it are told
            log.warning("outputs of this model cannot be held to grammars: %s", e)
            self._failed = str(e)

    def _compiled(self, text: str) -> Matcher | str:
        if self._compiler is None:
            return self._failed or "there is no compiler"
        try:
            return self._compiler.compile(text)
        except ValueError as e:
            return str(e)
        except Exception as e:
            log.exception("a grammar could not be compiled")
            return f"{type(e).__name__}: {e}"
