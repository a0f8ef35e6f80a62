"""Length-prefixed msgpack frames over a stream socket."""

from __future__ import annotations

import os
import select
import socket
import struct
from contextlib import suppress
from typing import Any, Generic, TypeVar

import msgspec

_LENGTH = struct.Struct("<I")
_encoder = msgspec.msgpack.Encoder()
T = TypeVar("T")


def pack(message: Any) -> bytes:
    """Return a message as one frame."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class Unpacker(Generic[T]):
    """Bytes in, messages of type ``T`` out, however the stream was cut."""

    def __init__(self, type_: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(type_)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[T]:
        self._buffer += data
        out = []
        at = 0
        view = memoryview(self._buffer)
        try:
            while len(view) - at >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(view, at)
                end = at + _LENGTH.size + length
                if end > len(view):
                    break
                out.append(self._decoder.decode(view[at + _LENGTH.size : end]))
                at = end
        finally:
            view.release()
        del self._buffer[:at]
        return out


class Channel(Generic[T]):
    """The blocking end of a connection, for a process whose loop is its own."""

    def __init__(self, sock: socket.socket, type_: Any) -> None:
        self.sock = sock
        self._unpacker: Unpacker[T] = Unpacker(type_)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._waker, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._poll.register(self._waker, select.POLLIN)

    def wake(self) -> None:
        """Let a ``receive`` that waits return with nothing; from any thread."""
        with suppress(BlockingIOError):  # it will wake anyway
            os.write(self._wake, b"\0")

    def receive(self, timeout: float | None) -> list[T]:
        """Messages that are there; waits up to ``timeout`` seconds (None: for ever) for the first.

        Raises:
            EOFError: the other side is gone.
        """
        out: list[T] = []
        while not out:
            ready = [fd for fd, _ in self._poll.poll(None if timeout is None else timeout * 1000)]
            if self._waker in ready:
                os.read(self._waker, 4096)
            if self.sock.fileno() not in ready:
                return out
            data = self.sock.recv(1 << 20)
            if not data:
                raise EOFError
            out = self._unpacker.feed(data)
        return out

    def send(self, message: Any) -> None:
        self.sock.sendall(pack(message))
