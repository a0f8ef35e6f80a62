"""Log lines: one per event whatever a request holds, of bounded length, and never waited for."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest
from frameworkctl.errors import MAX_MESSAGE, MAX_PARAM, EngineError, RequestError, bad
from frameworkctl.interfaces.requests.decoding import decode_json
from frameworkctl.logs import MAX_LINE, MAX_TRACEBACK, LineFormatter, QueueingHandler


def record(message: str, error: BaseException | None = None) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("x", logging.INFO, "x.py", 1, "%s", (message,), info)


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[2Ja", "a\x00", "a\u2028b", "a\x85b", "x" * 10_000_000])
def test_a_message_is_one_short_line(text: str) -> None:
    said = LineFormatter().format(record(text))
    assert len(said.splitlines()) == 1
    assert said.isprintable()
    assert len(said) < MAX_LINE + 100


def test_a_traceback_forges_no_lines() -> None:
    try:
        raise ValueError("a\n12:00:00 INFO frameworkctl: all is well\x1b" + "x" * 1_000_000)
    except ValueError as e:
        lines = LineFormatter().format(record("failed", e)).split("\n")
    assert lines[0] == "failed"
    assert all(line.startswith("    ") for line in lines[1:])
    assert sum(map(len, lines)) < MAX_TRACEBACK + 1000
    assert "\x1b" not in "".join(lines)


def test_a_pipe_that_nobody_reads_stops_nothing() -> None:
    read, write = os.pipe()
    handler = QueueingHandler(write, most=100)
    for number in range(1000):  # far more than a pipe holds: waiting for a reader would never end
        handler.emit(record(f"{number} " + "y" * 5000))
    handler.emit(record("end"))  # may be dropped too
    told = b""
    while b" were dropped" not in told:
        told += os.read(read, 1 << 16)
    handler.emit(record("last"))
    while not told.endswith(b"last\n"):
        told += os.read(read, 1 << 16)
    lines = told.decode().splitlines()
    dropped = sum(int(line.split()[0]) for line in lines if "were dropped" in line)
    assert dropped > 500
    assert lines[0].startswith("0 yyy")
    written = [line for line in lines if "were dropped" not in line]
    assert len(written) + dropped == 1002
    os.close(read)
    handler.close()
    os.close(write)


PROGRAM = """
import logging, os, sys
from frameworkctl import logs
logs.configure("info")
log = logging.getLogger("frameworkctl.x")
log.info("parent")
pid = os.fork()
if pid == 0:
    log.info("child")
    logging.shutdown()
    os._exit(0)
os.waitpid(pid, 0)
log.info("end")
"""


def test_what_is_said_last_is_written_in_a_forked_child_too() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=True)
    assert [line.rpartition(" ")[2] for line in done.stderr.splitlines()] == ["parent", "child", "end"]


def test_errors_repeat_nothing_whole() -> None:
    huge = "z" * 10_000_000
    for error in (RequestError(huge), EngineError(huge), bad(huge, f"{huge} is wrong: remedy")):
        assert len(error.message) < MAX_MESSAGE + 100
        assert len(str(error)) < MAX_MESSAGE + 100
        assert len(error.param or "") < MAX_PARAM + 100
    assert error.message.endswith("is wrong: remedy")


def test_an_enumeration_repeats_no_value_whole() -> None:
    from frameworkctl_endpoints.chat.request import ChatRequest

    body = b'{"messages": [], "truncation_side": "' + b"q" * 1_000_000 + b'"}'
    with pytest.raises(RequestError) as caught:
        decode_json(body, ChatRequest)
    assert caught.value.param == "truncation_side"
    assert len(caught.value.message) < MAX_MESSAGE
