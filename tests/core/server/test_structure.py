"""The count of what a body is made of: against a count of the decoded values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from frameworkctl.errors import RequestError
from frameworkctl.server.http.bodies import structure
from frameworkctl.server.http.bodies.structure import check_structure
from hypothesis import given, settings
from hypothesis import strategies as st

LEAVES = st.none() | st.integers() | st.text(st.sampled_from('ab,:[]{}"\\\né'), max_size=9)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=5) | st.dictionaries(st.text(max_size=3), v, max_size=5))


def counted(value: Any) -> tuple[int, int]:
    """Commas and brackets; brackets and colons."""
    if not isinstance(value, list | dict):
        return 0, 0
    inner = [counted(v) for v in (value.values() if isinstance(value, dict) else value)]
    commas, colons = max(0, len(value) - 1), len(value) if isinstance(value, dict) else 0
    return 1 + commas + sum(v for v, _ in inner), 1 + colons + sum(c for _, c in inner)


@given(value=VALUES, window=st.integers(1, 40), ascii=st.booleans())
@settings(deadline=None, max_examples=300)
def test_counts(value: Any, window: int, ascii: bool) -> None:
    values, containers = counted(value)
    body = json.dumps(value, ensure_ascii=ascii).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure, "WINDOW", window)
        patch.setattr(structure, "MAX_VALUES", values)
        patch.setattr(structure, "MAX_CONTAINERS", containers)
        check_structure(body)
        for name, count in (("MAX_VALUES", values), ("MAX_CONTAINERS", containers)):
            if count:
                patch.setattr(structure, name, count - 1)
                with pytest.raises(RequestError) as error:
                    check_structure(body)
                assert (error.value.status, error.value.code) == (413, "body_too_complex")
                patch.setattr(structure, name, count)


def test_texts_are_not_counted() -> None:
    check_structure(json.dumps({"prompt": '[{"a": 1}, \\' * 1_000_000}).encode())
