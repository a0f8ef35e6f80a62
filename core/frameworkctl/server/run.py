"""Runs the server from configuration to exit: socket, engines, HTTP, signals, drain."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Iterator

import uvicorn

from frameworkctl.config import Options, ServerOptions
from frameworkctl.errors import ConfigError
from frameworkctl.plugins import PluginHost
from frameworkctl.server.calls.service import Service
from frameworkctl.server.engines.supervisor import NurseryProcess
from frameworkctl.server.http.app import build_app

from .banner import banner
from .startup import started

log = logging.getLogger("frameworkctl.server")

BACKLOG = 2048
LAST_WORDS = 2.0  # seconds that broken-off streams have to send their error
IDLE = 75  # seconds an idle connection stays open: clients keep theirs for 5 to 60, and must be first to close, or a
# request meets a closing connection


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: when to stop is decided here."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(options: ServerOptions) -> socket.socket:
    """Return the listening socket, bound before anything is loaded. Raises ConfigError."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((options.host, options.port))
    except OSError as e:
        sock.close()
        raise ConfigError(f"cannot listen on {options.host}:{options.port}: {e.strerror or e}") from e
    sock.listen(BACKLOG)
    return sock


async def serve(options: Options, host: PluginHost, nursery: NurseryProcess, begun: float) -> int:
    """Serve until a signal. ``begun`` is ``time.monotonic()`` of the program's start. Returns the exit status."""
    sock = listen(options.server)
    try:
        async with started(options, host, nursery) as service:
            config = uvicorn.Config(
                build_app(service),
                http="httptools",
                ws="websockets-sansio",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=int(LAST_WORDS),
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=IDLE,
            )
            return await _run(HttpServer(config), service, sock, begun)
    finally:
        sock.close()


async def _run(http: HttpServer, service: Service, sock: socket.socket, begun: float) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            log.warning("second signal: stopping now")
            http.force_exit = True
            service.fail_open_requests()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    host, port = sock.getsockname()[:2]
    log.info("listening on http://%s", _address(host, port))
    serving = asyncio.create_task(http.serve(sockets=[sock]))
    ready = asyncio.create_task(service.supervisor.wait_ready())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((ready, stopping, serving), return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            ready.result()
            _tell_ready(service, f"http://{_address(host, port)}", time.monotonic() - begun)
            await asyncio.wait((stopping, serving), return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            await _drain(service)
    finally:
        ready.cancel()
        stopping.cancel()
        http.should_exit = True
        await serving
    return 0


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _tell_ready(service: Service, url: str, seconds: float) -> None:
    for model in dict.fromkeys(service.models.values()):
        if model.engine is not None and model.engine.info is not None:
            log.info("%s", banner(model, model.engine.info))
    log.info("ready after %.1f s at %s", seconds, url)


async def _drain(service: Service) -> None:
    """Refuse new requests; give open ones their time, then end them with an error."""
    service.draining = True
    timeout = service.options.server.shutdown_timeout
    if service.open_calls:
        log.info("draining: %d open requests have %.0f s", service.open_calls, timeout)
    deadline = time.monotonic() + timeout
    while service.open_calls and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    if service.open_calls:
        log.warning("%d requests are broken off", service.open_calls)
        service.fail_open_requests()
        deadline = time.monotonic() + LAST_WORDS
        while service.open_calls and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
