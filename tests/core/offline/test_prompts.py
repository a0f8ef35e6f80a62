"""Forms of prompts and conversations as fields of requests."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from frameworkctl.errors import RequestError
from frameworkctl.offline.prompts import conversations, prompt_fields, prompt_list
from safetensors.numpy import load


@pytest.mark.parametrize(
    ("given", "prompts"),
    [
        ("a", ["a"]),
        (["a", "b"], ["a", "b"]),
        ([1, 2], [[1, 2]]),
        ([[1], [2, 3]], [[1], [2, 3]]),
        ([], []),
        ({"prompt": "a"}, [{"prompt": "a"}]),
        (["a", [1], {"prompt": "b"}], ["a", [1], {"prompt": "b"}]),
    ],
)
def test_one_or_many(given: Any, prompts: list[Any]) -> None:
    assert prompt_list(given) == prompts


@pytest.mark.parametrize(
    ("prompt", "fields"),
    [
        ("a", {"prompt": "a"}),
        ([1, 2], {"prompt": [1, 2]}),
        ((1, 2), {"prompt": [1, 2]}),
        ({"prompt": "a", "cache_salt": "s"}, {"prompt": "a", "cache_salt": "s"}),
        ({"prompt_token_ids": [1, 2], "prompt": "a"}, {"prompt": [1, 2]}),
        ({"prompt": "a", "multi_modal_data": None}, {"prompt": "a"}),
    ],
)
def test_fields_of_a_prompt(prompt: Any, fields: dict[str, Any]) -> None:
    assert prompt_fields(prompt, "prompts[0]") == fields


def test_embeddings_travel_as_safetensors() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    packed = prompt_fields({"prompt_embeds": array}, "prompts[0]")["prompt_embeds"]
    assert (load(base64.b64decode(packed))["prompt_embeds"] == array).all()


@pytest.mark.parametrize("prompt", [7, None, [1, "a"], {}, {"prompt": 3}, {"prompt": "a", "multi_modal_data": {}}])
def test_what_is_no_prompt(prompt: Any) -> None:
    with pytest.raises(RequestError, match=r"prompts\[3\]") as caught:
        prompt_fields(prompt, "prompts[3]")
    assert str(caught.value.param).startswith("prompts[3]")


def test_one_conversation_or_several() -> None:
    said = {"role": "user", "content": "Hi"}
    assert conversations([said, said]) == [[said, said]]
    assert conversations([[said], [said, said]]) == [[said], [said, said]]
