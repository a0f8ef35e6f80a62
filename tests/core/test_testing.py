"""What plugin writers test with finds what is wrong, and says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from frameworkctl.testing import InProcessEngine, Parity, inprocess, parity
from support.checkpoints.tiny import make_checkpoint


def test_other_weights_are_seen(checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    other = parity.oracle(checkpoints["qwen2"])
    monkeypatch.setattr(parity, "oracle", lambda folder: other)
    with pytest.raises(AssertionError, match=r"prompt 1 of 40 tokens \(llama\): logits differ by .* at output token"):
        Parity(checkpoints["llama"], "alone").check()


def test_nan_is_no_parity(checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = InProcessEngine(checkpoints["llama"])
    monkeypatch.setattr(engine.built.runner.model, "logits", lambda hidden: torch.full((len(hidden), 320), torch.nan))
    monkeypatch.setattr(parity, "_engine", lambda folder, options: engine)
    engine.record_logits = True
    with pytest.raises(AssertionError, match="0 tokens came, 64 were asked for"):
        Parity(checkpoints["llama"], "alone").check()


def test_a_cache_that_gives_nothing_is_seen(checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inprocess.prefix, "root", lambda extras: os.urandom(32))  # as if none had the same beginning
    with pytest.raises(AssertionError, match="the prefix cache gave 0 tokens of at least 160"):
        Parity(checkpoints["llama"], "prefix").check()


def test_what_cannot_be_checked(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mode 'together' is not one of batch, alone, chunks"):
        Parity(checkpoints["llama"], "together")
    short = make_checkpoint("llama", tmp_path, max_position_embeddings=128)
    with pytest.raises(ValueError, match="parity needs 200 positions, this model has 128"):
        Parity(short, "alone").check()
