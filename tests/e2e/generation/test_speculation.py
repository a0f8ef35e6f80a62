"""Speculative decoding through processes: the same tokens, streamed and counted, and options that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from frameworkctl.params import SamplingParams
from frameworkctl.testing import InProcessEngine
from support.serving.programs import frameworkctl
from support.serving.server import start_server

NGRAM = {"method": "ngram", "num_speculative_tokens": 3, "prompt_lookup_max": 3, "prompt_lookup_min": 1}
PROMPTS = [[5, 6, 7, 8] * 6, [9] * 5]


def test_streams_are_the_same_and_drafts_are_counted(checkpoints: dict[str, Path]) -> None:
    folder = checkpoints["llama"]
    wanted = InProcessEngine(folder).generate(PROMPTS, SamplingParams(max_tokens=40, temperature=0.0, ignore_eos=True))
    server = start_server([str(folder), "--dtype", "float32", "--speculative-config", json.dumps(NGRAM)])
    try:
        for prompt, tokens in zip(PROMPTS, wanted, strict=True):
            body = {
                "prompt": prompt,
                "max_tokens": 40,
                "temperature": 0,
                "ignore_eos": True,
                "return_token_ids": True,
                "stream": True,
            }
            found: list[int] = []
            with httpx.stream("POST", f"{server.url}/v1/completions", json=body, timeout=60) as reply:
                for line in reply.iter_lines():
                    if line.startswith("data: {"):
                        found += json.loads(line[6:])["choices"][0]["token_ids"]
            assert found == tokens
        [model] = server.health()["models"].values()
        assert model["draft_tokens"] > model["accepted_draft_tokens"] > 0
    finally:
        server.stop()


def test_a_method_that_nobody_registered(checkpoints: dict[str, Path]) -> None:
    config = '{"method": "eagle", "num_speculative_tokens": 3}'
    done = frameworkctl("serve", str(checkpoints["llama"]), "--port", "0", "--speculative-config", config)
    assert done.status == 2
    assert "--speculative-config: method 'eagle' is not one of ngram" in done.err
    assert done.left == []
