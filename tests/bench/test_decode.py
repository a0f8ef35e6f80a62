"""Decode tokens per second at 1, 8 and 32 clients over HTTP, beside transformers' generate on the same weights.

pytest tests/bench/test_decode.py -m bench -s
FRAMEWORKCTL_BENCH_MODEL=path/to/checkpoint pytest tests/bench/test_decode.py -m bench -s
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from pathlib import Path

import httpx
import pytest
from support.checkpoints import make_checkpoint
from support.server import start_server

pytestmark = pytest.mark.bench
PROMPT, OUTPUT = 128, 128
ROUNDS = 3
CLIENTS = (1, 8, 32)
SHAPE = {
    "vocab_size": 8192, "hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 8, "num_attention_heads": 8,
    "num_key_value_heads": 4,
}  # fmt: skip


def prompts(count: int, seed: int) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randrange(100, 8000) for _ in range(PROMPT)] for _ in range(count)]


async def ours(url: str, batch: list[list[int]]) -> float:
    """Output tokens per second of streams that run together, their prefill included."""

    async def one(client: httpx.AsyncClient, prompt: list[int]) -> int:
        body = {"prompt": prompt, "max_tokens": OUTPUT, "temperature": 0, "ignore_eos": True, "stream": True,
                "stream_options": {"include_usage": True}}  # fmt: skip
        usage = ""
        async with client.stream("POST", f"{url}/v1/completions", json=body) as reply:
            assert reply.status_code == 200
            async for line in reply.aiter_lines():
                if '"usage"' in line:
                    usage = line
        assert f'"completion_tokens":{OUTPUT}' in usage
        return OUTPUT

    async with httpx.AsyncClient(timeout=600, limits=httpx.Limits(max_connections=None)) as client:
        started = time.monotonic()
        tokens = sum(await asyncio.gather(*[one(client, p) for p in batch]))
        return tokens / (time.monotonic() - started)


def theirs(model: object, batch: list[list[int]]) -> float:
    import torch

    started = time.monotonic()
    with torch.inference_mode():
        out = model.generate(  # type: ignore[attr-defined]
            torch.tensor(batch), max_new_tokens=OUTPUT, min_new_tokens=OUTPUT, do_sample=False
        )
    assert out.shape == (len(batch), PROMPT + OUTPUT)
    return len(batch) * OUTPUT / (time.monotonic() - started)


@pytest.mark.timeout(3600)
def test_decode(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    given = os.environ.get("FRAMEWORKCTL_BENCH_MODEL")
    folder = Path(given) if given else make_checkpoint("llama", tmp_path, **SHAPE)
    server = start_server([str(folder), "--dtype", "float32", "--max-model-len", "1024"])
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    try:
        asyncio.run(ours(server.url, prompts(2, 0)))
        theirs(model, prompts(2, 0))
        for clients in CLIENTS:
            rates = [
                (asyncio.run(ours(server.url, prompts(clients, 10 * clients + i))), theirs(model, prompts(clients, i)))
                for i in range(ROUNDS)
            ]
            own, peer = (statistics.median(column) for column in zip(*rates, strict=True))
            print(f"\n{clients:3d} clients: {own:7.1f} tokens/s, transformers {peer:7.1f}, ratio {own / peer:.2f}")
    finally:
        server.stop()
