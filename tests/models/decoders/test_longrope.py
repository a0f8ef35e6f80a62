"""Longrope: short sequences take the short factors and long ones the long, whatever else is in the batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from frameworkctl.params import SamplingParams
from frameworkctl.testing import InProcessEngine, random_checkpoint
from frameworkctl.testing.parity import oracle, prompts
from support.checkpoints.decoder_families import SIZE

ORIGINAL = 64
TOKENS = 40
GREEDY = SamplingParams(max_tokens=TOKENS, temperature=0.0, ignore_eos=True)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import Phi3Config

    rope = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "partial_rotary_factor": 0.5,
        "short_factor": [1.0, 1.1, 1.3, 1.6],
        "long_factor": [1.5, 4.0, 9.0, 20.0],
        "original_max_position_embeddings": ORIGINAL,
    }
    config = Phi3Config(
        **{
            **SIZE,
            "max_position_embeddings": 512,
            "original_max_position_embeddings": ORIGINAL,
            "rope_parameters": rope,
        }
    )
    return random_checkpoint(config, tmp_path_factory.mktemp("longrope"))


def check(engine: InProcessEngine, folder: Path, given: list[list[int]], outputs: list[list[int]], first: int) -> None:
    """Each token's logits are transformers' for the tokens before it, computed at once."""
    for number, (prompt, output) in enumerate(zip(given, outputs, strict=True), start=first):
        for index in range(TOKENS):
            with torch.no_grad():
                want = oracle(folder)(torch.tensor([prompt + output[:index]])).logits[0, -1]
            assert (engine.logits[number][index] - want).abs().max() < 1e-3, (len(prompt), index)


@pytest.mark.parametrize("overlap", [False, True], ids=["sync", "overlap"])
@pytest.mark.parametrize("options", [{}, {"max_num_batched_tokens": 16}, {"prefix_caching": False}], ids=str)
def test_short_long_and_growing_ones(checkpoint: Path, overlap: bool, options: dict[str, Any]) -> None:
    engine = InProcessEngine(checkpoint, overlap=overlap, **options)
    engine.record_logits = True
    given = prompts(engine, (10, 50, 63, 64, 65, 100))
    check(engine, checkpoint, given, engine.generate(given, GREEDY), 1)
    assert engine.scheduler.preemptions >= 3  # those of 50, 63 and 64 tokens grew


def test_the_same_tokens_in_a_longer_sequence_are_not_the_same_pages(checkpoint: Path) -> None:
    engine = InProcessEngine(checkpoint)
    engine.record_logits = True
    [long] = prompts(engine, (100,))
    given = [long[:20], long, long[:22]]
    for number, prompt in enumerate(given, start=1):
        check(engine, checkpoint, [prompt], engine.generate([prompt], GREEDY), number)
    assert engine.cache.hit_tokens == 16  # the last found what the first had left; the long one found nothing


def test_a_limit_below_the_original_length_needs_one_form_only(checkpoint: Path) -> None:
    engine = InProcessEngine(checkpoint, max_model_len=ORIGINAL)
    [prompt] = prompts(engine, (40,))
    assert len(engine.generate([prompt], GREEDY)[0]) == ORIGINAL - 40
    assert engine.scheduler.preemptions == 0
