"""``bench startup``: from the command to the first token that a client receives."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from frameworkctl.errors import ConfigError

from .http import Broken, Connection, Target
from .own_server import LOOK, START_TIMEOUT, ServerProcess, free_port, ours
from .stream import Stream, message_of

PROMPT = [5, 6, 7, 8]  # ids that every vocabulary has
NOT_YET = (404, 429, 500, 502, 503)


def commands(arguments: Sequence[str], command: str | None, model: str, port: int) -> list[str]:
    """Return the command of our own server, or of another one: ``{model}`` and ``{port}`` are filled in. Raises
    ConfigError.
    """
    if command is None:
        return ours(arguments, port)
    if "{port}" not in command:
        raise ConfigError("--command must say where the {port} goes: 'server {model} --port {port}'")
    return [word.replace("{port}", str(port)).replace("{model}", model) for word in shlex.split(command)]


async def start_once(command: Sequence[str], port: int, name: str | None) -> float:
    """Seconds from the start of the program to the first piece of a streamed completion.

    ``name`` of the model in the request; None leaves the choice to the server.

    Raises:
        ConfigError: the server ended, or answered with an error that does not pass.
    """
    began = time.perf_counter()
    with ServerProcess(command, port) as server:
        target = Target.parse(server.url)
        connection = Connection(target)
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while True:
                    server.check()
                    with contextlib.suppress(Broken):
                        arrived = await _first_piece(connection, target, name)
                        if arrived is not None:
                            return arrived - began
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            raise ConfigError(f"no token within {START_TIMEOUT:g} s") from None
        finally:
            connection.close()


async def _first_piece(connection: Connection, target: Target, name: str | None) -> float | None:
    """Return when it came; None while the server is not ready."""
    body: dict[str, Any] = {"prompt": PROMPT, "max_tokens": 8, "temperature": 0, "stream": True}
    if name is not None:
        body["model"] = name
    stream, answer = Stream(), []

    def take(data: bytes, now: float) -> None:
        answer.append(data)
        stream.feed(data, now)

    status = await connection.request(target.post("/v1/completions", body), take)
    if status in NOT_YET:
        return None
    if status != 200:
        raise ConfigError(f"the first request was refused: HTTP {status}: {message_of(b''.join(answer))}")
    return stream.stamps[0] if stream.stamps else None


class Starts(msgspec.Struct):
    """Report of ``bench startup``, in seconds."""

    command: str
    first_token: list[float]
    median: float


async def measure_starts(
    arguments: Sequence[str], command: str | None, repeat: int, warmups: int, tell: Callable[[float, bool], None]
) -> Starts:
    """Start and stop a server again and again; each time is told as it comes, and whether it counts.

    ``arguments`` are those of ``frameworkctl serve``; with a ``command``, the model alone.
    """
    model = arguments[0] if arguments else ""
    found = []
    for number in range(warmups + repeat):
        port = free_port()
        words = commands(arguments, command, model, port)
        seconds = await start_once(words, port, None if command is None else model)
        tell(seconds, number >= warmups)
        if number >= warmups:
            found.append(round(seconds, 4))
    shown = "frameworkctl serve " + shlex.join(arguments) if command is None else command
    return Starts(shown.strip(), found, statistics.median(found))
