"""Every other decoder family, and every kind of rope, against transformers on the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from frameworkctl.testing import Parity, random_checkpoint
from frameworkctl.testing.parity import MODES
from support.checkpoints.decoder_families import CONFIGS, config_of

DEFAULT = ("chunks", "preemption")  # together they go through what the other three do


@pytest.fixture(scope="module", params=CONFIGS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_checkpoint(config_of(request.param), tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize(
    "mode", [pytest.param(mode, marks=() if mode in DEFAULT else pytest.mark.slow) for mode in MODES]
)
def test_parity(checkpoint: Path, mode: str) -> None:
    """One batch of mixed lengths, alone, prefill in chunks, prefix hits, preemption."""
    Parity(checkpoint, mode).check(overlap=True)
