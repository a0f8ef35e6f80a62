"""Every decoder family against transformers on the same weights: logits and greedy tokens, in every way of running."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from frameworkctl.params import SamplingParams
from frameworkctl.testing import InProcessEngine, Parity
from frameworkctl.testing.parity import GREEDY, TOKENS, oracle, prompts
from support.checkpoints import FAMILIES, make_checkpoint
from support.ranks import generate_on_ranks

pytest_plugins = ["frameworkctl.testing.fixtures"]


@pytest.fixture(params=sorted(FAMILIES))
def checkpoint(request: pytest.FixtureRequest, checkpoints: dict[str, Path]) -> Path:
    return checkpoints[request.param]


@pytest.mark.parametrize("overlap", [False, True], ids=["sync", "overlap"])
def test_parity(parity: Parity, overlap: bool) -> None:
    """One batch of mixed lengths, alone, prefill in chunks, prefix hits, preemption."""
    parity.check(overlap=overlap)


def test_two_ranks_compute_the_same(checkpoint: Path, tmp_path: Path) -> None:
    """Two gloo processes with half of the heads and half of the MLP each, driven by the same plans."""
    single = InProcessEngine(checkpoint)
    given = prompts(single, (5, 40, 17))
    want = single.generate(given, GREEDY)
    results = generate_on_ranks(checkpoint, given, TOKENS, ranks=2, store=tmp_path / "store")
    for outputs, logits in results:
        assert outputs == want
        for number, prompt in enumerate(given, start=1):
            with torch.no_grad():
                both = torch.tensor([prompt + want[number - 1]])
                reference = oracle(checkpoint)(both).logits[0, len(prompt) - 1 : -1]
            assert (logits[number] - reference).abs().max() < 1e-3


def test_bf16_sharded_checkpoint(tmp_path: Path) -> None:
    """Weights in several bfloat16 files, computed in float32, equal transformers on the same weights in float32."""
    folder = make_checkpoint("llama", tmp_path, dtype="bfloat16", shard="100KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    Parity(folder, "batch").check()


def test_bf16_arithmetic_is_close(tmp_path: Path) -> None:
    """In bfloat16 itself the first token's logits stay near those of float32."""
    folder = make_checkpoint("gemma2", tmp_path, dtype="bfloat16")
    engine = InProcessEngine(folder, dtype="bfloat16")
    engine.record_logits = True
    given = prompts(engine, (40,))
    engine.generate(given, SamplingParams(max_tokens=1, temperature=0.0))
    with torch.no_grad():
        want = oracle(folder)(torch.tensor(given)).logits[0, -1]
    assert torch.nn.functional.cosine_similarity(engine.logits[1][0], want, dim=0) > 0.98
