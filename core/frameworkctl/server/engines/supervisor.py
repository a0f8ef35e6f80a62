"""Looks after nursery and engines: starts them, knows how they are, starts them again when they die."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from frameworkctl.config import EngineConfig
from frameworkctl.engine import nursery
from frameworkctl.engine.framing import Unpacker
from frameworkctl.engine.messages import EngineInfo, Exited, Fatal, Forked, FromNursery, Loading, Ready, Start
from frameworkctl.errors import ConfigError, EngineError, UnavailableError
from frameworkctl.interfaces.observation import EngineEvent
from frameworkctl.logs import Progress
from frameworkctl.plugins.records import LoadedPlugin

from .client import EngineClient, connect

log = logging.getLogger("frameworkctl.server")

BACKOFF = (0.0, 0.5, 2.0, 5.0, 15.0, 30.0)  # seconds before the n-th restart in a row
STABLE = 60.0  # an engine that lived this many seconds starts the count anew
STOP_GRACE = 3.0  # seconds an engine has to end by itself
POLL = 0.005  # seconds between two looks at whether it has

State = Literal["loading", "ready", "down", "failed"]


class NurseryProcess:
    """The server's handle of the nursery. May be started before there is an event loop."""

    def __init__(self, log_level: str = "info") -> None:
        self._log_level = log_level
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, contextlib.ExitStack() as undo:
            undo.callback(self.control.close)
            self.process = subprocess.Popen(
                nursery.command(theirs.fileno(), log_level),
                pass_fds=[theirs.fileno()],
                env=nursery.environment(),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            undo.pop_all()
        self._unpacker: Unpacker[FromNursery] = Unpacker(FromNursery)
        self._forked = False

    def fork(self, key: int, engine_end: socket.socket) -> None:
        self._forked = True
        socket.send_fds(self.control, [key.to_bytes(8, "little")], [engine_end.fileno()])

    def receive(self) -> list[FromNursery] | None:
        """Messages of one packet; None when the nursery is gone."""
        try:
            data = self.control.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self._unpacker.feed(data) if data else None

    def hang_up(self) -> None:
        """Close the socket of the nursery, which then ends."""
        self.control.close()
        if not self._forked:
            self.process.terminate()  # it may be in the middle of importing torch, and nothing depends on it

    def close(self) -> None:
        self.hang_up()
        try:
            self.process.wait(STOP_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Engine:
    """One model's engine through all its lives. ``client`` is that of the present life."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.state: State = "loading"
        self.client: EngineClient | None = None
        self.info: EngineInfo | None = None
        self.pid: int | None = None
        self.reason: str | None = None  # why it is not ready
        self.progress = 0.0
        self.bar = Progress(log, f"loading {config.name}")
        self.restarts = 0
        self.started = 0.0
        self.changed = asyncio.Event()

    def live_client(self) -> EngineClient:
        """Return the client of a ready engine. Raises UnavailableError (503) otherwise."""
        if self.state == "ready" and self.client is not None:
            return self.client
        if self.state == "loading":
            raise UnavailableError(f"The model {self.config.name!r} is loading.", code="model_loading")
        raise UnavailableError(f"The engine of {self.config.name!r} is down: {self.reason}.", code="engine_down")


class Supervisor:
    """Starts engines through the nursery and keeps them alive. Lives on the event loop."""

    def __init__(
        self, nursery_process: NurseryProcess, observe: Callable[[str, EngineEvent], None], log_level: str = "info"
    ) -> None:
        self.engines: list[Engine] = []
        self._nursery = nursery_process
        self._observe, self._log_level = observe, log_level
        self._plugins: list[LoadedPlugin] = []
        self._forks: dict[int, Engine] = {}
        self._alive: set[int] = set()  # engine processes whose end the present nursery has yet to tell
        self._next_key = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def start(
        self, configs: list[EngineConfig], plugins: list[LoadedPlugin], *, first_alone: bool = False
    ) -> None:
        """Start an engine per config; does not wait until they are ready.

        ``first_alone``: the others begin to load when the first is ready, which so is ready as soon as without them.
        """
        self._plugins = plugins
        self._watch_nursery()
        self.engines = [Engine(config) for config in configs]
        at_once = 1 if first_alone else len(configs)
        for engine in self.engines[:at_once]:
            await self._fork(engine)
        if self.engines[at_once:]:
            self._spawn(self._start_later(self.engines[at_once:]))

    async def _start_later(self, engines: list[Engine]) -> None:
        try:
            await self._until_ready(self.engines[0])
        except ConfigError:
            return  # whoever waits for all of them tells it
        for engine in engines:
            await self._fork(engine)

    async def wait_ready(self) -> None:
        """Wait until every engine has been ready once. Raises ConfigError with the cause when one cannot start."""
        for engine in self.engines:
            await self._until_ready(engine)

    async def _until_ready(self, engine: Engine) -> None:
        while engine.state != "ready":
            if engine.state == "failed":
                raise ConfigError(f"model {engine.config.name!r}: {engine.reason}")
            engine.changed.clear()
            await engine.changed.wait()

    async def stop(self) -> None:
        """End all engines and the nursery, and see them gone. Needs no thread: there are none at a program's exit."""
        self._stopping = True
        for engine in self.engines:
            if engine.client is not None:
                engine.client.disconnect()  # an engine ends when its server is gone
        for task in list(self._tasks):
            task.cancel()
        deadline = time.monotonic() + STOP_GRACE
        while self._alive and time.monotonic() < deadline:
            await asyncio.sleep(POLL)
        asyncio.get_running_loop().remove_reader(self._nursery.control)
        self._nursery.hang_up()
        while self._nursery.process.poll() is None and time.monotonic() < deadline:
            await asyncio.sleep(POLL)
        self._nursery.close()

    # -- one engine

    async def _fork(self, engine: Engine) -> None:
        """Begin a life of an engine.

        Raises:
            OSError: the system has no descriptor, process or memory for it; nothing of it is left behind.
        """
        ours, theirs = socket.socketpair()
        engine.state, engine.progress, engine.started = "loading", 0.0, time.monotonic()
        client = EngineClient(lambda m: self._event(engine, m), lambda: self._lost(engine, client))
        engine.client = client
        try:
            await connect(client, ours)
            self._ask_nursery(engine, theirs)
        except OSError:
            engine.client = None  # what becomes of this connection is not the end of an engine
            client.disconnect()
            ours.close()
            raise
        finally:
            theirs.close()
        with contextlib.suppress(EngineError):  # it died already: its connection says so
            client.send(Start(engine.config, self._plugins))

    def _ask_nursery(self, engine: Engine, theirs: socket.socket) -> None:
        self._next_key += 1
        self._forks = {key: e for key, e in self._forks.items() if e is not engine}  # never answered, if it is here
        try:
            self._nursery.fork(self._next_key, theirs)
        except OSError:
            self._new_nursery()
            self._nursery.fork(self._next_key, theirs)
        self._forks[self._next_key] = engine

    def _event(self, engine: Engine, message: Ready | Loading | Fatal) -> None:
        match message:
            case Ready(info=info):
                engine.state, engine.info, engine.reason, engine.pid = "ready", info, None, info.pid
                took = time.monotonic() - engine.started
                engine.bar.close()
                log.info("%s is ready after %.1f s, pid %d", engine.config.name, took, info.pid)
                self._observe("engine_started", EngineEvent(model=engine.config.name, pid=info.pid, time=time.time()))
            case Loading(done=done, total=total):
                engine.progress = done / max(total, 1)
                engine.bar.update(done, total)
            case Fatal(message=reason):
                engine.reason = reason
        engine.changed.set()

    def _lost(self, engine: Engine, client: EngineClient) -> None:
        """Handle the end of a connection: the engine died, or reported why it cannot start."""
        if self._stopping or engine.client is not client:
            return
        was_ready = engine.state == "ready"
        engine.bar.close()
        reason = engine.reason or "it died"
        engine.state, engine.reason, engine.info = "down", reason, None
        self._observe(
            "engine_failed", EngineEvent(model=engine.config.name, pid=engine.pid or 0, time=time.time(), reason=reason)
        )
        if not was_ready and engine.restarts == 0:
            engine.state = "failed"  # it has never run: the operator has to mend something
            engine.changed.set()
            return
        engine.restarts = 0 if time.monotonic() - engine.started > STABLE else engine.restarts
        delay = _next_delay(engine)
        log.error("the engine of %s is down (%s); restart in %.1f s", engine.config.name, reason, delay)
        self._spawn(self._restart(engine, delay))

    async def _restart(self, engine: Engine, delay: float) -> None:
        said = False
        while True:
            await asyncio.sleep(delay)
            engine.reason = None
            try:
                await self._fork(engine)
                return
            except OSError as e:
                engine.state, engine.reason = "down", f"it cannot be started: {e}"
                delay = _next_delay(engine)
                if not said:
                    said = True
                    log.error("the engine of %s cannot be started (%s); trying until it can", engine.config.name, e)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the nursery

    def _watch_nursery(self) -> None:
        self._nursery.control.setblocking(False)
        asyncio.get_running_loop().add_reader(self._nursery.control, self._from_nursery)

    def _new_nursery(self) -> None:
        """Put another in the place of one that is gone. Raises OSError, and changes nothing, if that cannot be had."""
        made = NurseryProcess(self._log_level)
        log.error("the nursery is gone; started another")
        asyncio.get_running_loop().remove_reader(self._nursery.control)
        self._nursery.close()
        self._nursery = made
        self._alive.clear()
        self._watch_nursery()

    def _from_nursery(self) -> None:
        messages = self._nursery.receive()
        if messages is None:
            asyncio.get_running_loop().remove_reader(self._nursery.control)
            self._alive.clear()
            if not self._stopping:
                self._nursery_died()
            return
        for message in messages:
            match message:
                case Forked(key=key, pid=pid):
                    self._alive.add(pid)
                    engine = self._forks.pop(key, None)
                    if engine is not None:
                        engine.pid = pid
                case Exited(pid=pid, status=status):
                    self._exited(pid, status)

    def _nursery_died(self) -> None:
        """Engines live on; those it had yet to fork are asked of another. Only its own failure to start is final."""
        waiting = list(self._forks.values())
        self._forks.clear()
        if (
            waiting
            and all(e.restarts == 0 for e in waiting)
            and self._nursery.process.poll() not in (None, -signal.SIGKILL)
        ):
            for engine in waiting:
                engine.state, engine.reason = "failed", "the process that loads torch ended; its messages are above"
                engine.changed.set()
            return
        try:
            self._new_nursery()
        except OSError as e:
            log.error("the nursery is gone (%s); the next engine that starts brings another", e)
        for engine in waiting:
            if engine.client is not None:
                engine.restarts = max(1, engine.restarts)
                engine.client.disconnect()

    def _exited(self, pid: int, status: int) -> None:
        self._alive.discard(pid)
        how = f"killed by signal {-status} ({_signal_name(-status)})" if status < 0 else f"exit status {status}"
        for engine in self.engines:
            if engine.pid == pid and engine.reason in (None, "it died"):
                engine.reason = how
        if status not in (0, 2) and not self._stopping:
            log.error("engine process %d ended: %s", pid, how)


def _next_delay(engine: Engine) -> float:
    """Return how many seconds to wait before the next restart in a row, and count it."""
    delay = BACKOFF[min(engine.restarts, len(BACKOFF) - 1)]
    engine.restarts += 1
    return delay


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
