"""A compiler that ends, stops or fills its process costs its own request an error, and nobody else anything."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e
TRAP = Path(__file__).parents[2] / "support" / "plugged" / "trap.py"
SECONDS = "1.5"  # that a grammar may take here
LONG = {"prompt": "the", "max_tokens": 300, "temperature": 0, "ignore_eos": True}


@pytest.fixture(scope="module")
def trapped(checkpoints: dict[str, Path]) -> Iterator[RunningServer]:
    args = [str(checkpoints["llama"]), "--served-model-name", "a", "--dtype", "float32", "--max-model-len", "1024"]
    args += ["--plugins", str(TRAP), "--structured-output", "trap", "--max-grammar-seconds", SECONDS]
    server = start_server(args)
    yield server
    server.stop()


def complete(server: RunningServer, **fields: Any) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/completions", json={"prompt": "the", **fields}, timeout=120)


def say(server: RunningServer, text: str) -> httpx.Response:
    return complete(server, structured_outputs={"choice": [text]}, max_tokens=60)


def grammar_workers(server: RunningServer) -> set[int]:
    return {p.pid for p in server.processes() if "frameworkctl.workers.process" in p.cmdline()}


def test_no_worker_runs_before_there_is_a_constraint(trapped: RunningServer) -> None:
    assert complete(trapped, max_tokens=2).status_code == 200
    assert not grammar_workers(trapped)
    assert say(trapped, "hello").json()["choices"][0]["text"] == "hello"
    first = grammar_workers(trapped)
    assert len(first) == 1
    assert say(trapped, "hello").status_code == say(trapped, "you").status_code == 200
    assert grammar_workers(trapped) == first


@pytest.fixture(scope="module")
def alone(trapped: RunningServer) -> str:
    """The victim's text when nobody else asks for anything."""
    return str(complete(trapped, **LONG).json()["choices"][0]["text"])


@pytest.mark.parametrize(
    ("what", "status", "words"),
    [
        ("exit in prepare", 400, "ended the process"),
        ("kill in compile", 400, "ended the process"),
        ("sleep in compile", 400, f"more than {SECONDS} seconds"),
        ("fill memory in prepare", 400, "more than 1024 MiB"),
        ("raise in prepare", 500, "ArithmeticError"),
    ],
)
def test_one_request_is_refused_and_the_others_go_on(
    trapped: RunningServer, alone: str, what: str, status: int, words: str
) -> None:
    pid = trapped.engine_pid("a")
    with ThreadPoolExecutor(1) as threads:
        victim = threads.submit(complete, trapped, **LONG)
        reply = say(trapped, what)
        assert victim.result().json()["choices"][0]["text"] == alone
    error = reply.json()["error"]
    assert (reply.status_code, words in error["message"]) == (status, True), error
    if status == 400:
        assert (error["param"], error["code"]) == ("structured_outputs.choice", "invalid_grammar")
        before = grammar_workers(trapped)
        assert say(trapped, what).json()["error"]["message"] == error["message"]
        assert grammar_workers(trapped) == before  # known by now: no worker was lost to it again
    assert say(trapped, "hello").json()["choices"][0]["text"] == "hello"
    health = trapped.health()["models"]["a"]
    assert (trapped.engine_pid("a"), health["restarts"], health["state"]) == (pid, 0, "ready")


def test_small_grammars_do_not_wait_for_slow_ones(trapped: RunningServer) -> None:
    """More slow ones than there are workers, then small ones, which are answered before the last of those."""

    def slow(number: int) -> httpx.Response:
        """Another request than before, whose result would be known; the trap is the same."""
        options = {"choice": ["sleep in compile"], "whitespace_pattern": str(number)}
        return complete(trapped, structured_outputs=options)

    with ThreadPoolExecutor(8) as threads:
        replies = [threads.submit(slow, i) for i in range(4)]
        small = [threads.submit(say, trapped, f"small {i}") for i in range(3)]
        assert [future.result().status_code for future in small] == [200] * 3
        assert not all(reply.done() for reply in replies)
        assert {reply.result().status_code for reply in replies} == {400}


def test_a_mask_that_takes_too_long_ends_its_own_request(trapped: RunningServer) -> None:
    text = "some other words to say while that one sleeps"
    with ThreadPoolExecutor(3) as threads:
        plain = threads.submit(complete, trapped, **LONG)
        other = threads.submit(say, trapped, text)
        guilty = threads.submit(say, trapped, "sleep in fill")
        error = guilty.result().json()["error"]
        assert (guilty.result().status_code, error["param"]) == (400, "structured_outputs.choice")
        assert "too long to follow" in error["message"]
        assert other.result().json()["choices"][0]["text"] == text
        assert plain.result().json()["usage"]["completion_tokens"] == LONG["max_tokens"]
    assert "too long to follow" in say(trapped, "sleep in fill").json()["error"]["message"]
    assert say(trapped, text).json()["choices"][0]["text"] == text
    assert trapped.health()["models"]["a"]["restarts"] == 0
