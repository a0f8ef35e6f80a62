"""Beam search against the enumeration of all continuations, and against transformers' logits over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from frameworkctl.interfaces import GenerateItem, Output, Prompt, SamplingParams
from frameworkctl_endpoints.beam_search import BeamSearch
from support.serving.server import RunningServer

VOCAB, END = 5, 2
PROMPT = [3, 1]


def logprobs(ids: Sequence[int]) -> np.ndarray:
    """An arbitrary model: the distribution after ``ids``."""
    seed = int.from_bytes(hashlib.sha256(bytes(ids)).digest()[:4], "little")
    logits = np.random.default_rng(seed).normal(size=VOCAB) * 2
    return logits - np.log(np.exp(logits).sum())


class Engine:
    """Answers ``next_logprobs`` and counts the steps."""

    steps = 0

    async def next_logprobs(
        self, prompts: Any, count: int, item: Any, model: Any
    ) -> list[tuple[tuple[int, float], ...]]:
        self.steps += 1
        out = []
        for ids in prompts:
            row = logprobs(ids)
            out.append(tuple((int(i), float(row[i])) for i in np.argsort(-row)[:count]))
        return out


def search(width: int, penalty: float, **params: Any) -> tuple[list[Output], int]:
    engine = Engine()
    model: Any = SimpleNamespace(tokenizer=SimpleNamespace(decode=lambda ids, **_: "".join(map(str, ids))))
    item = GenerateItem(prompt=Prompt(PROMPT), params=SamplingParams(eos_token_ids=(END,), **params))

    async def run() -> list[Output]:
        return [output async for output in BeamSearch(width, penalty).run(item, engine, model)]

    return asyncio.run(run()), engine.steps


def everything(length: int, penalty: float, *, ends: bool) -> list[tuple[float, tuple[int, ...], str]]:
    """Every continuation of at most ``length`` tokens with its rank, best first."""
    out = []
    for n in range(1, length + 1):
        for tokens in itertools.product(range(VOCAB), repeat=n):
            ended = ends and tokens[-1] == END
            if (ends and END in tokens[:-1]) or (n < length and not ended):
                continue
            score = sum(logprobs([*PROMPT, *tokens[:i]])[t] for i, t in enumerate(tokens))
            said = tokens[:-1] if ended else tokens
            out.append((score / (len(PROMPT) + len(said)) ** penalty, said, "stop" if ended else "length"))
    return sorted(out, reverse=True)


@pytest.mark.parametrize("penalty", [1.0, 0.0, 2.5, -1.0])
@pytest.mark.parametrize("ignore_eos", [False, True])
def test_wide_enough_it_finds_the_best_of_all(penalty: float, ignore_eos: bool) -> None:
    outputs, _ = search(VOCAB**3, penalty, max_tokens=4, ignore_eos=ignore_eos)
    wanted = everything(4, penalty, ends=not ignore_eos)[: len(outputs)]
    assert [tuple(o.token_ids) for o in outputs] == [said for _, said, _ in wanted]
    assert [o.finish_reason for o in outputs] == [reason for _, _, reason in wanted]
    assert len({(*o.token_ids, o.finish_reason) for o in outputs}) == len(outputs)


@pytest.mark.parametrize("penalty", [1.0, 0.0, 3.0, -1.0])
def test_stopping_early_changes_nothing(penalty: float, monkeypatch: pytest.MonkeyPatch) -> None:
    early, steps = search(2, penalty, max_tokens=30, logprobs=1)
    monkeypatch.setattr(BeamSearch, "_decided", lambda *_: False)
    late, all_steps = search(2, penalty, max_tokens=30, logprobs=1)
    assert early == late
    assert all_steps == 30
    assert steps < 30 or penalty == 3.0  # so large a penalty prefers whatever is longest


def test_width_one_is_greedy() -> None:
    (output,), _ = search(1, 1.0, max_tokens=6, ignore_eos=True)
    ids = list(PROMPT)
    for _ in range(6):
        ids.append(int(logprobs(ids).argmax()))
    assert output.token_ids == ids[len(PROMPT) :]


@pytest.mark.e2e
@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
def test_over_http(server: RunningServer, checkpoints: dict[str, Path], path: str) -> None:
    """Held to the plain algorithm over transformers' logits; every step but the first finds its beam in the cache."""
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoints["llama"], dtype=torch.float32)
    text, width, steps = "the quick brown fox jumps over the lazy dog " * 3, 3, 5
    chat = path.startswith("/v1/chat")
    content = {"messages": [{"role": "user", "content": text}]} if chat else {"prompt": text}
    body = {"model": "a", "use_beam_search": True, "n": width, "max_tokens": steps, "ignore_eos": True, **content}
    reply = httpx.post(f"{server.url}{path}", json={**body, "return_token_ids": True}, timeout=60).json()
    prompt = reply["prompt_token_ids"] if chat else reply["choices"][0]["prompt_token_ids"]
    beams: list[tuple[float, list[int]]] = [(0.0, [])]
    for _ in range(steps):
        with torch.no_grad():
            rows = model(torch.tensor([prompt + tokens for _, tokens in beams])).logits[:, -1].double().log_softmax(-1)
        grown = [(s + float(r[t]), [*b, t]) for (s, b), r in zip(beams, rows, strict=True) for t in range(len(r))]
        beams = sorted(grown, reverse=True)[:width]
    assert [c["token_ids"] for c in reply["choices"]] == [tokens for _, tokens in beams]
    assert {c["finish_reason"] for c in reply["choices"]} == {"length"}
    assert reply["usage"]["prompt_tokens"] == len(prompt)
    assert reply["usage"]["completion_tokens"] == width * steps
