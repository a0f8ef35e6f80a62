"""Requests for many sequences: all of them come, others have their turn meanwhile, and there is a limit."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e
SEQUENCES, WAITING = 4, 60


@pytest.fixture(scope="module")
def narrow(checkpoints: dict[str, Path]) -> Iterator[RunningServer]:
    args = [str(checkpoints["llama"]), "--served-model-name", "a", "--dtype", "float32"]
    server = start_server([*args, "--max-num-seqs", str(SEQUENCES), "--max-num-queued-reqs", str(WAITING)])
    yield server
    server.stop()


def complete(server: RunningServer, **body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/completions", json={"ignore_eos": True, **body}, timeout=120)


def test_all_of_many_sequences_come_and_are_those_of_their_seeds(narrow: RunningServer) -> None:
    """Sequence i of a request with a seed is what a request with that seed plus i gives."""
    many = complete(narrow, prompt="the", n=50, seed=7, max_tokens=3, temperature=1.5).json()["choices"]
    assert [choice["index"] for choice in many] == list(range(50))
    for i in (0, 1, 17, 49):
        alone = complete(narrow, prompt="the", seed=7 + i, max_tokens=3, temperature=1.5).json()["choices"][0]
        assert alone["text"] == many[i]["text"]
    narrow.wait_idle()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "the", "n": WAITING + 1}, "n"),
        ({"prompt": ["the"] * 16, "n": 4}, "n"),
        ({"prompt": ["a"] * 61}, "prompt"),
    ],
)
def test_more_than_may_wait_is_refused(narrow: RunningServer, body: dict[str, Any], param: str) -> None:
    reply = complete(narrow, max_tokens=2, **body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param), reply.text
    assert f"at most {WAITING}" in reply.json()["error"]["message"]


def test_others_have_their_turn(narrow: RunningServer) -> None:
    """A request of 60 sequences is under way; one that comes later ends earlier."""
    with ThreadPoolExecutor(2) as threads:
        wide = threads.submit(complete, narrow, prompt="the", n=60, max_tokens=200)
        while narrow.health()["models"]["a"]["waiting"] < 30:
            assert not wide.done()
        assert narrow.health()["models"]["a"]["running"] <= SEQUENCES
        late = complete(narrow, prompt="dog", max_tokens=2)
        assert late.status_code == 200
        assert not wide.done()
        refused = complete(narrow, prompt="dog", n=40, max_tokens=2)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "queue_full")
        assert len(wide.result().json()["choices"]) == 60
    narrow.wait_idle()
    model = narrow.health()["models"]["a"]
    assert model["free_pages"] == model["total_pages"]
