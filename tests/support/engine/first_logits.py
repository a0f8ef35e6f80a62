"""Logits of the first token after random prompts: enough to compare two ways to hold the same weights."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from frameworkctl.params import SamplingParams
from frameworkctl.testing import InProcessEngine


def random_prompts(count: int, vocab: int, longest: int) -> list[list[int]]:
    rng = random.Random(0)
    return [[rng.randrange(vocab) for _ in range(rng.randrange(3, longest))] for _ in range(count)]


def first_logits(folder: Path, **options: Any) -> torch.Tensor:
    """``[3, vocab]``; ``options`` are those of InProcessEngine."""
    engine = InProcessEngine(folder, **options)
    engine.record_logits = True
    given = random_prompts(3, engine.info.vocab_size, 40)
    engine.generate(given, SamplingParams(max_tokens=1, temperature=0.0))
    return torch.stack([engine.logits[n][0] for n in (1, 2, 3)])
