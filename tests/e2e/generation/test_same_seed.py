"""The same seed says the same alone, among 32, after preemption and in an engine that was started again."""

from __future__ import annotations

import concurrent.futures
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e
PERSON = {
    "type": "object",
    "properties": {"name": {"enum": ["ann", "bob"]}, "notes": {"type": "string", "maxLength": 40}},
    "required": ["name", "notes"],
    "additionalProperties": False,
}
BODIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "n": {"n": 3},
    "beam search": {"use_beam_search": True, "n": 3, "seed": None, "max_tokens": 12, "ignore_eos": False},
    "schema": {"structured_outputs": {"json": PERSON}, "ignore_eos": False},
    "regex": {"structured_outputs": {"regex": "([a-z]{3,9} ){6}"}, "ignore_eos": False},
    "bad words": {"bad_words": ["the", "fox", "e"], "top_k": 40},
    "logprobs": {"logprobs": 3, "top_p": 0.9},
    "penalties": {"repetition_penalty": 1.3, "presence_penalty": 0.5, "frequency_penalty": 0.2, "min_p": 0.01},
    "allowed": {"allowed_token_ids": list(range(20, 90)), "logit_bias": {"33": 2}},
    "ends": {"min_tokens": 10, "stop": ["qu"], "ignore_eos": False, "temperature": 1.5},
}


@pytest.fixture(scope="module")
def server(checkpoints: dict[str, Path]) -> Iterator[RunningServer]:
    """With room for about a dozen of the sequences below."""
    running = start_server(
        [
            "--model",
            f"m={checkpoints['llama']}",
            "--dtype",
            "float32",
            "--max-model-len",
            "160",
            "--backend",
            "reference",
            "--num-gpu-blocks-override",
            "40",
        ]
    )
    yield running
    running.stop()


def ask(server: RunningServer, name: str, number: int = 0) -> list[Any]:
    """What the choices say: texts, token ids and the tokens that logprobs show."""
    body = {
        "model": "m",
        "prompt": f"{number} the quick brown fox jumps over the lazy dog",
        "seed": 7,
        "max_tokens": 48,
        "temperature": 0.9,
        "ignore_eos": True,
        "return_token_ids": True,
        **BODIES[name],
    }
    reply = httpx.post(f"{server.url}/v1/completions", json=body, timeout=120)
    assert reply.status_code == 200, reply.text
    return [
        (c["text"], c["token_ids"], c["finish_reason"], c["logprobs"] and c["logprobs"]["tokens"])
        for c in reply.json()["choices"]
    ]


def test_same_seed(server: RunningServer) -> None:
    alone = {name: ask(server, name) for name in BODIES}
    assert len({str(said) for said in alone.values()}) == len(BODIES)
    names = (list(BODIES) * 4)[:32]
    before = server.health()["models"]["m"]["preemptions"]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        among = list(pool.map(lambda pair: ask(server, pair[1], pair[0] // len(BODIES)), enumerate(names)))
    assert server.health()["models"]["m"]["preemptions"] > before
    for name, said in list(zip(names, among, strict=True))[: len(BODIES)]:
        assert said == alone[name], name
    os.kill(server.engine_pid("m"), signal.SIGKILL)
    server.wait(503)
    server.wait()
    for name, said in alone.items():
        assert ask(server, name) == said, name
