"""Distributions that are installed for one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.plugged.fake_dists import FakeDists, installed


@pytest.fixture
def dists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDists]:
    with installed(tmp_path / "site", monkeypatch) as found:
        yield found
