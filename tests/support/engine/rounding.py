"""A model computed in bfloat16, beside transformers in float32."""

from __future__ import annotations

from pathlib import Path

import torch
from frameworkctl.params import SamplingParams
from frameworkctl.testing import InProcessEngine
from frameworkctl.testing.parity import oracle, prompts


def run_in_bfloat16(folder: Path) -> InProcessEngine:
    """The engine, after a prompt of 40 tokens whose last logits were near those of float32."""
    engine = InProcessEngine(folder, dtype="bfloat16")
    engine.record_logits = True
    given = prompts(engine, (40,))
    engine.generate(given, SamplingParams(max_tokens=1, temperature=0.0))
    with torch.no_grad():
        want = oracle(folder)(torch.tensor(given)).logits[0, -1]
    assert torch.nn.functional.cosine_similarity(engine.logits[1][0], want, dim=0) > 0.98
    return engine
