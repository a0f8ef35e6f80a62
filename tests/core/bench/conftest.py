"""A server that streams words, for one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.serving.fake_streams import FakeStreams, serve_streams


@pytest.fixture
def fake() -> Iterator[FakeStreams]:
    with serve_streams() as found:
        yield found
