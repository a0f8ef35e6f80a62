"""Every other decoder family, and every kind of rope, against transformers on the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from frameworkctl.testing import Parity, random_checkpoint
from support.decoder_families import CONFIGS, config_of

pytest_plugins = ["frameworkctl.testing.fixtures"]


@pytest.fixture(scope="module", params=CONFIGS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_checkpoint(config_of(request.param), tmp_path_factory.mktemp(request.param))


def test_parity(parity: Parity) -> None:
    """One batch of mixed lengths, alone, prefill in chunks, prefix hits, preemption."""
    parity.check(overlap=True)
