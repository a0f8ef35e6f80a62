"""The table of request fields knows every field that the OpenAI SDK can send."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import pytest
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import completion_create_params as chat_create_params

PAGE = (Path(__file__).parents[2] / "docs" / "fields.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("params", "families"),
    [
        (completion_create_params.CompletionCreateParamsNonStreaming, ("both", "completions")),
        (completion_create_params.CompletionCreateParamsStreaming, ("both", "completions")),
        (chat_create_params.CompletionCreateParamsNonStreaming, ("both", "chat")),
        (chat_create_params.CompletionCreateParamsStreaming, ("both", "chat")),
        (embedding_create_params.EmbeddingCreateParams, ("embeddings",)),
    ],
)
def test_every_field_of_the_sdk(params: Any, families: tuple[str, ...]) -> None:
    rows = [line.split(" | ")[:2] for line in PAGE.splitlines() if line.startswith("| `")]
    known = {name.strip("| `") for name, where in rows if set(where.split(", ")) & set(families)}
    assert set(get_type_hints(params)) <= known
