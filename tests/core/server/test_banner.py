"""The line about a model that is ready."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from frameworkctl.interfaces import PoolingInfo
from frameworkctl.server.banner import banner


@pytest.mark.parametrize(
    ("tasks", "says"),
    [({"embed", "token_embed"}, "embed, token_embed by mean;"), ({"token_classify"}, "token_classify by step;")],
)
def test_it_names_the_pooler_that_is_used(tasks: set[str], says: str) -> None:
    plugin = SimpleNamespace(distribution="mine", version="1")
    model: Any = SimpleNamespace(
        names=("m",),
        choice=SimpleNamespace(registered=SimpleNamespace(plugin=plugin), native=True),
        max_model_len=9,
        info=SimpleNamespace(
            tasks=tasks, architecture="A", pooling=PoolingInfo(size=4, pooler="mean", token_pooler="step")
        ),
    )
    engine: Any = SimpleNamespace(
        cache_tokens=0, pages=0, cache_bytes=0, parameters=5, dtype="float32", device="cpu", backend="cpu", threads=1
    )
    assert says in banner(model, engine)
