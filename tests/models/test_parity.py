"""Every decoder family against transformers on the same weights: logits and greedy tokens, in every way of running."""

from __future__ import annotations

from pathlib import Path

import pytest
from frameworkctl.testing import Parity
from support.checkpoints.tiny import FAMILIES, make_checkpoint
from support.engine.ranks import check_two_ranks
from support.engine.rounding import run_in_bfloat16

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
    check_two_ranks(checkpoint, (5, 40, 17), tmp_path / "store")


def test_bf16_sharded_checkpoint(tmp_path: Path) -> None:
    """Weights in several bfloat16 files, computed in float32, equal transformers on the same weights in float32."""
    folder = make_checkpoint("llama", tmp_path, dtype="bfloat16", shard="100KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    Parity(folder, "batch").check()


def test_bf16_arithmetic_is_close(tmp_path: Path) -> None:
    """In bfloat16 itself the first token's logits stay near those of float32."""
    run_in_bfloat16(make_checkpoint("gemma2", tmp_path, dtype="bfloat16"))
