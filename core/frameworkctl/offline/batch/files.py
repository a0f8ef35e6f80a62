"""The files of a batch: input read as there is room for more, output that survives being killed."""

from __future__ import annotations

import asyncio
import concurrent.futures
import fcntl
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec

from frameworkctl.errors import ConfigError

from .lines import BatchAnswer

STANDARD = "-"
_BOM = b"\xef\xbb\xbf"
_answer = msgspec.json.Decoder(BatchAnswer)
_encoder = msgspec.json.Encoder()


def open_input(path: str) -> BinaryIO:
    """Open the input; ``-`` is standard input. Raises ConfigError."""
    try:
        return os.fdopen(os.dup(0), "rb") if path == STANDARD else Path(path).open("rb")
    except OSError as e:
        raise ConfigError(f"-i: cannot read {path!r}: {e.strerror}") from e


def count_lines(path: str) -> int | None:
    """Requests in a file; None where that cannot be known before it is read."""
    if not Path(path).is_file():
        return None
    with Path(path).open("rb") as file:
        return sum(1 for line in file if line.strip())


async def numbered_lines(file: BinaryIO) -> AsyncIterator[tuple[int, bytes]]:
    """Lines that are not empty, numbered from 1. A thread reads, not further ahead than they are taken."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[int, bytes] | OSError | None] = asyncio.Queue(maxsize=64)

    def put(item: tuple[int, bytes] | OSError | None) -> None:
        coroutine = queue.put(item)
        try:
            asyncio.run_coroutine_threadsafe(coroutine, loop).result()
        except RuntimeError:  # the loop is closed
            coroutine.close()
            raise

    def read() -> None:
        try:
            for number, line in enumerate(file, 1):
                line = line.removeprefix(_BOM) if number == 1 else line
                if line.strip():
                    put((number, line))
            put(None)
        except OSError as e:
            put(e)
        except (RuntimeError, ValueError, concurrent.futures.CancelledError):
            return  # nobody takes lines any more, and the file may be closed

    # Not an executor's: a read from a terminal may never return, and must not keep the program.
    threading.Thread(target=read, daemon=True, name="batch-input").start()
    while (item := await queue.get()) is not None:
        if isinstance(item, OSError):
            raise ConfigError(f"-i: cannot read on: {item.strerror}")
        yield item


class OutputFile:
    """Answers, appended and given to the operating system one by one.

    ``done`` are the keys of those that were there before, ``failed`` counts the failures among all, ``written`` the new
    answers. An unfinished last line, which a killed program leaves, is taken away. ``-`` is standard output, and
    nothing was there before.

    Raises:
        ConfigError: it cannot be written, is another program's work, or is being written by another.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.done: set[str] = set()
        self.failed = self.written = 0
        try:
            self._fd = os.dup(1) if path == STANDARD else os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as e:
            raise ConfigError(f"-o: cannot write {path!r}: {e.strerror}") from e
        if path != STANDARD and Path(path).is_file():  # not a pipe, not /dev/null
            try:
                self._take_over()
            except BaseException:
                os.close(self._fd)
                raise

    def _take_over(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            raise ConfigError(f"-o: another run-batch is writing {self.path!r}") from e
        good, whole = 0, True
        with Path(self.path).open("rb") as file:
            for number, line in enumerate(file, 1):
                ended = line.endswith(b"\n")
                try:
                    found = _answer.decode(line)
                except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                    if not ended:
                        break
                    raise ConfigError(
                        f"-o: line {number} of {self.path!r} was not written by run-batch: name another file"
                    ) from None
                self.done.add(found.key)
                self.failed += found.failed
                good, whole = good + len(line), ended
        os.ftruncate(self._fd, good)
        if good and not whole:
            self._put(b"\n")

    def write(self, answer: BatchAnswer) -> None:
        self.failed += answer.failed
        self._put(_encoder.encode(answer) + b"\n")
        self.written += 1

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except BrokenPipeError:
            raise
        except OSError as e:
            raise ConfigError(f"-o: cannot write {self.path!r}: {e.strerror}; call it again to go on") from e

    def __enter__(self) -> OutputFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._fd)
