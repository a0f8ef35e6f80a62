"""Constraints on a request's output, compiled in worker processes before an engine hears of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from frameworkctl.errors import RequestError
from frameworkctl.interfaces.generation.structured import Constraint
from frameworkctl.interfaces.served_model import Tokenizer
from frameworkctl.params import Grammar
from frameworkctl.workers import compiling
from frameworkctl.workers.compiling import Compiled, Setup
from frameworkctl.workers.pool import NotStarted, OutOfMemory, OutOfTime, WorkerDied, WorkerPool

QUICK_WORKERS, SLOW_WORKERS = 2, 1
QUICK_SECONDS = 1.0  # after which a grammar begins anew among the slow ones, where no quick one waits for it
MAX_WAITING = 64  # different constraints that are compiled or wait for it
KEPT, KEPT_BYTES = 512, 32 << 20  # results, and characters of their grammars
FAILURE_KEPT = 60.0  # seconds for which a constraint that ended a worker is not tried again
WORKER_MEMORY = 16 << 30  # bytes of address space, of which a plugin's libraries may take much
WORKER_JOBS = 500


def grammar_of(constraint: Constraint | None, max_whitespace: int, tokenizer: Tokenizer) -> Grammar | None:
    """Return a constraint as a ``Grammar`` that is still to be compiled, None for a request without one.

    ``max_whitespace`` is the server's limit on blanks between two tokens of JSON.

    Raises:
        RequestError: 400 for a value that is nested too deeply.
    """
    if constraint is None:
        return None
    whole = msgspec.structs.replace(constraint, max_whitespace=max_whitespace, after=(), ends=(), openings=())
    try:
        job = json.dumps(msgspec.to_builtins(whole), ensure_ascii=False)
    except RecursionError:
        raise _refused(constraint.param, "nested too deeply") from None
    ids = tuple(tuple(tokenizer.encode(o, add_special_tokens=False)) for o in constraint.openings)
    ends = constraint.ends + ((tokenizer.decode(constraint.after),) if constraint.after else ())
    return Grammar("", constraint.param, ends, constraint.openings, ids, job=job)


class Constraints:
    """The constraints of one model. All methods but ``close`` run on the event loop; workers start with the first."""

    def __init__(self, setup: Setup, *, seconds: float) -> None:
        self._setup = msgspec.msgpack.encode(setup)
        self._seconds = seconds
        self._quick, self._slow = self._pool(QUICK_WORKERS), self._pool(SLOW_WORKERS)
        self._quick_threads = ThreadPoolExecutor(QUICK_WORKERS, thread_name_prefix="grammar")
        self._slow_threads = ThreadPoolExecutor(SLOW_WORKERS, thread_name_prefix="slow-grammar")
        self._known = _Known()
        self._under_way: dict[bytes, asyncio.Task[Compiled]] = {}

    def _pool(self, most: int) -> WorkerPool:
        return WorkerPool(
            most=most,
            memory=WORKER_MEMORY,
            modules=(compiling.__name__,),
            first=(compiling.START, self._setup),
            jobs=WORKER_JOBS,
        )

    async def compiled(self, grammar: Grammar) -> Grammar:
        """Return the grammar with its text.

        Raises:
            RequestError: 400 naming the field for what cannot be compiled within the limits; 429 when too many wait;
                500 when the compiler itself fails.
        """
        key = hashlib.sha256(grammar.job.encode("utf-8", "surrogatepass")).digest()
        result = self._known.get(key)
        if result is None:
            task = self._under_way.get(key)
            if task is None:
                if len(self._under_way) >= MAX_WAITING:
                    raise RequestError(
                        "Too many grammars wait to be compiled.",
                        status=429,
                        code="queue_full",
                        headers={"retry-after": "1"},
                    )
                task = self._under_way[key] = asyncio.create_task(self._compile(key, grammar.job))
                task.add_done_callback(lambda done: self._done(key, done))
            result = await asyncio.shield(task)  # others may wait for it
        if result.error is not None:
            raise _refused(grammar.param, result.error, result.param)
        return msgspec.structs.replace(grammar, text=result.text, loosened=result.loosened, job="")

    def close(self) -> None:
        """End the workers."""
        for threads in (self._quick_threads, self._slow_threads):
            threads.shutdown(wait=False, cancel_futures=True)
        self._quick.close()
        self._slow.close()

    def _done(self, key: bytes, task: asyncio.Task[Compiled]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody may

    async def _compile(self, key: bytes, job: str) -> Compiled:
        loop = asyncio.get_running_loop()
        quick = min(QUICK_SECONDS, self._seconds)
        try:
            try:
                result = await loop.run_in_executor(self._quick_threads, self._call, self._quick, job, quick)
            except OutOfTime:
                if quick >= self._seconds:
                    raise
                result = await loop.run_in_executor(self._slow_threads, self._call, self._slow, job, self._seconds)
        except NotStarted:
            raise RequestError(
                "The worker that compiles grammars could not be started.", status=500, code="internal_error"
            ) from None
        except WorkerDied as e:
            result = Compiled(error=self._why(e))
            self._known.put(key, result, FAILURE_KEPT)
        except RuntimeError as e:
            raise RequestError(
                f"The plugin for structured output failed: {e}", status=500, code="plugin_error"
            ) from None
        else:
            self._known.put(key, result)
        return result

    def _call(self, pool: WorkerPool, job: str, seconds: float) -> Compiled:
        reply: Any = pool.call(compiling.COMPILE, (self._setup, job), seconds=seconds)
        return msgspec.convert(reply, Compiled)

    def _why(self, error: WorkerDied) -> str:
        if isinstance(error, OutOfTime):
            return f"needs more than {self._seconds:g} seconds to compile (--max-grammar-seconds); make it simpler"
        if isinstance(error, OutOfMemory):
            return f"needs more than {compiling.MEMORY >> 20} MiB to compile; make it simpler"
        return "cannot be compiled: it ended the process that tried; make it simpler"


class _Known:
    """Results by digest, the least used of which are forgotten."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, tuple[Compiled, float]] = OrderedDict()  # with when it is forgotten
        self._size = 0

    def get(self, key: bytes) -> Compiled | None:
        found = self._kept.get(key)
        if found is None:
            return None
        result, until = found
        if time.monotonic() >= until:
            self._forget(key)
            return None
        self._kept.move_to_end(key)
        return result

    def put(self, key: bytes, result: Compiled, seconds: float = float("inf")) -> None:
        if key in self._kept:
            self._forget(key)
        self._kept[key] = (result, time.monotonic() + seconds)
        self._size += len(result.text)
        while len(self._kept) > KEPT or self._size > KEPT_BYTES:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: bytes) -> None:
        result, _ = self._kept.pop(key)
        self._size -= len(result.text)


def _refused(param: str, words: str, own: str | None = None) -> RequestError:
    """Return the error of a constraint; ``own`` is the field at fault, which the words name then."""
    words = words.rstrip(".")
    message = f"{words}." if own else f"{param}: {words}."
    return RequestError(message, param=own or param, code="invalid_grammar")
