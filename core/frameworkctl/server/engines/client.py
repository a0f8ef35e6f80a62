"""The server's side of one engine: requests out, rows in, and exactly one end for every request."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
from collections.abc import Callable
from typing import Any, cast

from frameworkctl.engine.framing import Unpacker, pack
from frameworkctl.engine.messages import (
    Abort,
    Answer,
    Append,
    Ask,
    EngineLoad,
    Fatal,
    FromEngine,
    Generate,
    Loading,
    Outputs,
    ReadEmbeds,
    Ready,
)
from frameworkctl.errors import EngineError, RequestError
from frameworkctl.params import SamplingParams

from .streams import PoolStream, RowStream, Stream

log = logging.getLogger("frameworkctl.server")


class EngineClient(asyncio.Protocol):
    """One connection to one engine process; a restarted engine gets a new client."""

    def __init__(self, on_event: Callable[[Ready | Loading | Fatal], None], on_lost: Callable[[], None]) -> None:
        self.load = EngineLoad()
        self._on_event, self._on_lost = on_event, on_lost
        self._transport: asyncio.Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unsent: list[bytes] = []
        self._unpacker: Unpacker[FromEngine] = Unpacker(FromEngine)
        self._streams: dict[int, Stream[Any]] = {}
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count(1)

    @property
    def open_sequences(self) -> int:
        """Return how many sequences run or wait; a request for vectors counts once, since it sends few texts at a
        time.
        """
        return sum(stream.weight for stream in self._streams.values())

    # -- requests

    def generate(
        self,
        tokens: bytes,
        params: SamplingParams,
        *,
        seed: int,
        priority: int = 0,
        extras: dict[str, str] | None = None,
        open_input: bool = False,
        embeds: bytes | None = None,
        call: int | None = None,
    ) -> RowStream:
        """Start a request; the caller must ``close`` the stream whatever happens.

        Requests of one ``call`` take turns with those of others.

        Raises:
            EngineError: the engine is gone, or the request cannot be packed; then nothing of it is left behind.
        """
        stream = RowStream(next(self._ids), params.n)
        self.send(Generate(stream.id, tokens, params, seed, priority, extras, open_input, embeds, call))
        self._streams[stream.id] = stream
        return stream

    def pool(self, texts: int) -> PoolStream:
        """Begin a request of so many texts, which the caller sends bit by bit; it must ``close`` the stream.

        Raises:
            EngineError: the engine is gone.
        """
        self._check_connected()
        stream = PoolStream(next(self._ids), texts)
        self._streams[stream.id] = stream
        return stream

    def append(self, stream: RowStream, tokens: bytes, *, final: bool) -> None:
        """Send more of a request's prompt. Raises EngineError as ``generate`` does."""
        self.send(Append(stream.id, tokens, final))

    def stop_sequence(self, stream: RowStream, index: int) -> None:
        """End one sequence of a request that goes on without it."""
        stream.open -= 1
        self._abort(Abort(stream.id, index))

    def close(self, stream: Stream[Any]) -> None:
        """Close a stream; abort its sequences that still run."""
        if self._streams.pop(stream.id, None) is not None and stream.open > 0:
            self._abort(Abort(stream.id))

    def _abort(self, message: Abort) -> None:
        """Send an abort; do nothing if the engine is gone."""
        with contextlib.suppress(EngineError):
            self.send(message)

    async def ask(self) -> dict[str, Any]:
        """Return the engine's own account of its integrity."""
        return await self._answer(Ask(next(self._ids)))

    def read_embeds(self, data: bytes, hidden_size: int, max_tokens: int) -> dict[str, Any]:
        """Return the answer to ``ReadEmbeds``. For a thread that may wait, not for the loop's."""
        assert self._loop is not None, "there is a connection"
        message = ReadEmbeds(next(self._ids), data, hidden_size, max_tokens)
        return asyncio.run_coroutine_threadsafe(self._answer(message), self._loop).result()

    async def _answer(self, message: Ask | ReadEmbeds) -> dict[str, Any]:
        self.send(message)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[message.id] = future
        try:
            return await future
        finally:
            self._answers.pop(message.id, None)

    def fail_all(self, error: RequestError) -> None:
        """End every open request with this error."""
        for stream in self._streams.values():
            stream.fail(error)

    def send(self, message: Any) -> None:
        """Send a message. Those of one turn of the event loop go out together: every write wakes the engine.

        Raises:
            EngineError: the engine is gone, or the message cannot be packed; then nothing of it is left behind.
        """
        self._check_connected()
        try:
            packed = pack(message)
        except (OverflowError, TypeError, ValueError) as e:
            raise EngineError(f"The request cannot be sent to the engine: {e}") from e
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(packed)

    def _check_connected(self) -> None:
        if self._transport is None or self._transport.is_closing():
            raise EngineError("The engine is gone; send the request again.", code="engine_died")

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(unsent))

    def disconnect(self) -> None:
        if self._transport is not None:
            self._flush()
            self._transport.close()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        for message in self._unpacker.feed(data):
            match message:
                case Outputs():
                    self._take(message)
                case Answer(id=id_, data=answer):
                    future = self._answers.get(id_)
                    if future is not None and not future.done():
                        future.set_result(answer)
                case _:
                    self._on_event(message)

    def _take(self, outputs: Outputs) -> None:
        self.load = outputs.load
        for row in outputs.rows:
            if (stream := self._streams.get(row.id)) is not None:
                stream.push(row)
        for pooled in outputs.pooled:
            if (stream := self._streams.get(pooled.id)) is not None:
                stream.take(pooled)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.load = EngineLoad()
        error = EngineError("The engine died while it was working on this request; send it again.", code="engine_died")
        self.fail_all(error)
        for future in self._answers.values():
            if not future.done():  # whoever waited for it was cancelled in this turn of the loop
                future.set_exception(error)
        self._on_lost()


async def connect(client: EngineClient, sock: socket.socket) -> None:
    """Attach a client to its end of the socket pair."""
    sock.setblocking(False)
    await asyncio.get_running_loop().create_unix_connection(lambda: client, sock=sock)
