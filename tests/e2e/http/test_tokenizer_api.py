"""The tokenizer API against the checkpoint's own tokenizer and template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from support.serving.server import RunningServer
from tokenizers import Tokenizer

pytestmark = pytest.mark.e2e
TEXT = "the quick — brown fox 🦊<|im_end|>"


def post(server: RunningServer, path: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json=body, timeout=60)


@pytest.fixture(scope="module")
def tokenizer(checkpoints: dict[str, Path]) -> Tokenizer:
    return Tokenizer.from_file(str(checkpoints["llama"] / "tokenizer.json"))


def test_texts(server: RunningServer, tokenizer: Tokenizer) -> None:
    got = post(server, "/tokenize", model="a", prompt=TEXT, return_token_strs=True).json()
    encoding = tokenizer.encode(TEXT)
    assert got == {
        "count": len(encoding.ids),
        "max_model_len": 512,
        "tokens": encoding.ids,
        "token_strs": encoding.tokens,
    }
    assert post(server, "/detokenize", tokens=got["tokens"]).json() == {"prompt": TEXT}
    long = post(server, "/tokenize", prompt=TEXT * 200).json()  # longer than the context
    assert long["tokens"] == tokenizer.encode(TEXT * 200).ids


def test_conversations(server: RunningServer, tokenizer: Tokenizer) -> None:
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "the"}]
    base = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nthe"
    for extra, text in (
        ({}, base + "<|im_end|>\n<|im_start|>assistant\n"),
        ({"add_generation_prompt": False}, base + "<|im_end|>\n"),
        ({"continue_final_message": True}, base),
    ):
        got = post(server, "/tokenize", messages=messages, **extra).json()
        assert got["tokens"] == tokenizer.encode(text).ids
        assert got["token_strs"] is None


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {}, "prompt"),
        ("/tokenize", {"prompt": "a", "messages": []}, "prompt"),
        ("/tokenize", {"prompt": None}, "prompt"),
        ("/tokenize", {"messages": []}, "messages"),
        (
            "/tokenize",
            {
                "messages": [{"role": "user", "content": "a"}],
                "add_generation_prompt": True,
                "continue_final_message": True,
            },
            "continue_final_message",
        ),
        ("/detokenize", {"tokens": [-1]}, "tokens[0]"),
        ("/detokenize", {"tokens": [5, 320]}, "tokens[1]"),
        ("/detokenize", {"tokens": [2**80]}, "tokens[0]"),
        ("/detokenize", {}, "tokens"),
    ],
)
def test_mistakes(server: RunningServer, path: str, body: dict[str, Any], param: str) -> None:
    reply = post(server, path, **body)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == param


def test_info_is_off_by_default(server: RunningServer) -> None:
    reply = httpx.get(f"{server.url}/tokenizer_info", timeout=60)
    assert reply.status_code == 404
    assert "--enable-tokenizer-info-endpoint" in reply.json()["error"]["message"]
