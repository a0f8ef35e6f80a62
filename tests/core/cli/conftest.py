"""Distributions that are installed for one test, and a writer of config files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.plugged.fake_dists import FakeDists, installed


@pytest.fixture
def dists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDists]:
    with installed(tmp_path / "site", monkeypatch) as found:
        yield found


@pytest.fixture
def yaml_file(tmp_path: Path) -> Callable[[str | bytes], str]:
    """Writes a config file and returns its path."""

    def write(text: str | bytes) -> str:
        path = tmp_path / "config.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write
