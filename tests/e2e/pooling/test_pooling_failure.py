"""Pooling when something goes wrong: engines that die, clients that leave, in the middle of thousands of texts."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e
MANY = [f"{i} " + "the quick brown fox jumps over the lazy dog " * 12 for i in range(3000)]


@pytest.fixture(scope="module")
def server(checkpoints: dict[str, Path]) -> Iterator[RunningServer]:
    args = ["--model", f"e={checkpoints['llama']}", "--convert", "embed", "--dtype", "float32"]
    running = start_server([*args, "--max-num-seqs", "8", "--max-num-batched-tokens", "256"])
    yield running
    running.stop()


def busy(server: RunningServer) -> None:
    """Until the engine has texts that wait."""
    deadline = time.monotonic() + 60
    while server.health()["models"]["e"].get("waiting", 0) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def works(server: RunningServer) -> bool:
    body = {"model": "e", "input": "the fox"}
    return httpx.post(f"{server.url}/v1/embeddings", json=body, timeout=60).status_code == 200


def test_an_engine_that_dies_fails_the_call_and_comes_back(server: RunningServer) -> None:
    replies: list[httpx.Response] = []

    def ask() -> None:
        body = {"model": "e", "input": MANY}
        replies.append(httpx.post(f"{server.url}/v1/embeddings", json=body, timeout=200))

    asking = threading.Thread(target=ask)
    asking.start()
    busy(server)
    os.kill(server.engine_pid("e"), signal.SIGKILL)
    asking.join(100)
    [reply] = replies
    assert reply.status_code == 500
    assert reply.json()["error"]["code"] == "engine_died"
    server.wait()
    assert works(server)


def test_a_client_that_leaves_frees_the_engine(server: RunningServer) -> None:
    client = httpx.Client(timeout=httpx.Timeout(200, read=1.0))
    with pytest.raises(httpx.ReadTimeout):
        client.post(f"{server.url}/v1/embeddings", json={"model": "e", "input": MANY})
    client.close()
    server.wait_idle()
    assert works(server)
