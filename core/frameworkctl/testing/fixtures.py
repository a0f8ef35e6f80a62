"""Pytest fixtures for model plugins: ``pytest_plugins = ["frameworkctl.testing.fixtures"]``."""

from __future__ import annotations

from pathlib import Path

import pytest

from .parity import MODES, Parity


@pytest.fixture(params=MODES)
def parity(request: pytest.FixtureRequest, checkpoint: Path) -> Parity:
    """Return one way of running the folder that the fixture ``checkpoint`` (yours) gives; call ``parity.check()``."""
    return Parity(checkpoint, request.param)
