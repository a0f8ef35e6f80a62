"""Large bodies: refused by what they are made of before they cost much, and apart from small requests."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from frameworkctl.interfaces import LENGTHS
from frameworkctl.limits import MAX_BAD_WORD_CHARACTERS, MAX_CONTAINERS, MAX_TEXT_BYTES, MAX_VALUES
from frameworkctl.text.pieces import WHOLE
from support.serving.server import START_TIMEOUT, RunningServer, start_server
from tokenizers import Tokenizer

pytestmark = pytest.mark.e2e
PROMPT = {"model": "a", "prompt": "the", "max_tokens": 1, "temperature": 0}
CHAT = {"model": "a", "messages": [{"role": "user", "content": "the"}], "max_tokens": 1}
TEXT = "the quick brown fox "
DOTS = "." * (WHOLE + 1)
LONG = TEXT * (MAX_TEXT_BYTES // len(TEXT) + 1)


def post(server: RunningServer, path: str, body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", content=json.dumps(body).encode(), timeout=300)


def error(reply: httpx.Response) -> tuple[int, str | None, str | None]:
    found = reply.json()["error"]
    return reply.status_code, found["param"], found["code"]


@pytest.mark.parametrize(
    ("path", "base", "field", "entry"),
    [
        ("/v1/completions", PROMPT, "bad_words", "ab"),
        ("/v1/completions", PROMPT, "stop", "ab"),
        ("/v1/completions", PROMPT, "stop_token_ids", 7),
        ("/v1/completions", PROMPT, "allowed_token_ids", 7),
        ("/v1/completions", PROMPT, "logprob_token_ids", 7),
        ("/v1/completions", PROMPT, "logits_processors", "ab"),
        ("/v1/chat/completions", CHAT, "bad_words", "ab"),
        ("/v1/chat/completions", CHAT, "messages", 1),
        ("/tokenize", {}, "messages", 1),
        ("/detokenize", {}, "tokens", 7),
    ],
)
def test_lists_have_a_most(server: RunningServer, path: str, base: dict[str, Any], field: str, entry: Any) -> None:
    reply = post(server, path, {**base, field: [entry] * (LENGTHS[field].most + 1)})
    assert error(reply) == (400, field, "invalid_value")
    assert str(LENGTHS[field].most) in reply.json()["error"]["message"]


@pytest.mark.parametrize("field", ["logit_bias", "extra_args", "vllm_xargs", "chat_template_kwargs"])
def test_objects_have_a_most(server: RunningServer, field: str) -> None:
    most = LENGTHS[field].most
    body = {**CHAT, field: {str(i): 1 for i in range(most + 1)}}
    want = (413, None, "body_too_complex") if most >= MAX_CONTAINERS else (400, field, "invalid_value")
    assert error(post(server, "/v1/chat/completions", body)) == want


@pytest.mark.parametrize(
    ("path", "body", "param", "code"),
    [
        ("/tokenize", {"prompt": LONG}, "prompt", "invalid_value"),
        ("/tokenize", {"messages": [{"role": "user", "content": LONG}]}, "messages", "invalid_value"),
        ("/tokenize", {"prompt": DOTS}, "prompt", "text_too_long"),
        ("/v1/completions", {**PROMPT, "prompt": LONG, "truncate_prompt_tokens": 5}, "prompt", "invalid_value"),
        ("/v1/completions", {**PROMPT, "prompt": DOTS, "truncate_prompt_tokens": 5}, "prompt", "text_too_long"),
        ("/v1/completions", {**PROMPT, "prompt": LONG}, "prompt", "context_length_exceeded"),
        ("/v1/completions", {**PROMPT, "prompt": [7] * 513}, "prompt", "context_length_exceeded"),
        (
            "/v1/completions",
            {**PROMPT, "bad_words": ["a" * (MAX_BAD_WORD_CHARACTERS + 1)]},
            "bad_words",
            "invalid_value",
        ),
        ("/v1/completions", {**PROMPT, "stop": "a" * ((1 << 14) + 1)}, "stop", "invalid_value"),
        (
            "/v1/chat/completions",
            {**CHAT, "messages": [{"role": "user", "content": TEXT * 9000}] * 30},
            "messages",
            "invalid_value",
        ),
        ("/v1/chat/completions", {**CHAT, "documents": [{"text": LONG}]}, "documents", "invalid_value"),
        (
            "/v1/chat/completions",
            {**CHAT, "chat_template_kwargs": {"a": [LONG]}},
            "chat_template_kwargs",
            "invalid_value",
        ),
        ("/v1/chat/completions", {**CHAT, "chat_template": "a" * ((1 << 18) + 1)}, "chat_template", "invalid_value"),
    ],
)
def test_texts_have_a_most(server: RunningServer, path: str, body: dict[str, Any], param: str, code: str) -> None:
    assert error(post(server, path, body)) == (400, param, code)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", [1] * (MAX_VALUES + 1)),
        ("metadata", [[]] * (MAX_CONTAINERS + 1)),
        ("metadata", {str(i): 1 for i in range(MAX_CONTAINERS)}),
        ("no_such", [{"a": 1}] * (MAX_CONTAINERS // 2 + 1)),
    ],
)
def test_bodies_of_too_many_parts(server: RunningServer, field: str, value: Any) -> None:
    assert error(post(server, "/v1/completions", {**PROMPT, field: value})) == (413, None, "body_too_complex")


def test_long_texts_are_cut_as_if_all_were_read(server: RunningServer, checkpoints: dict[str, Path]) -> None:
    tokenizer = Tokenizer.from_file(str(checkpoints["llama"] / "tokenizer.json"))
    text = "first things there " + TEXT * 20_000 + "and the lazy dog"
    ids = tokenizer.encode(text).ids
    body = {**PROMPT, "prompt": text, "return_token_ids": True, "truncate_prompt_tokens": 9}
    for side, want in ((None, ids[-9:]), ("left", ids[-9:]), ("right", ids[:9])):
        answer = post(server, "/v1/completions", {**body, "truncation_side": side}).json()
        assert answer["choices"][0]["prompt_token_ids"] == want
    assert post(server, "/tokenize", {"prompt": text}).json()["tokens"] == ids


BLOCKING = """
import time
from pathlib import Path
from frameworkctl.interfaces import hookimpl

HERE = Path(__file__).parent

@hookimpl(wrapper=True)
def render_prompt(call):
    if len(call.body) > 1 << 17:
        (HERE / f"began-{call.request_id}").touch()
        while not (HERE / "go-on").exists():
            time.sleep(0.01)
    return (yield)
"""


@pytest.fixture
def blocking(checkpoints: dict[str, Path], tmp_path: Path) -> Iterator[RunningServer]:
    """Renders no large request before the file ``go-on`` is there."""
    (tmp_path / "blocking.py").write_text(BLOCKING)
    running = start_server(
        [str(checkpoints["llama"]), "--served-model-name", "a", "--plugins", str(tmp_path / "blocking.py")]
    )
    yield running
    (tmp_path / "go-on").touch()
    running.stop()


def test_small_requests_do_not_wait_for_large_ones(blocking: RunningServer, tmp_path: Path) -> None:
    medium, large = {"prompt": TEXT * 10_000}, {"prompt": TEXT * 100_000}
    with ThreadPoolExecutor(8) as clients:
        waiting = [clients.submit(post, blocking, "/tokenize", body) for body in [medium, large] * 4]
        try:
            deadline = time.monotonic() + START_TIMEOUT
            while len(list(tmp_path.glob("began-*"))) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            for path, body in (
                ("/tokenize", {"prompt": TEXT}),
                ("/v1/completions", PROMPT),
                ("/v1/chat/completions", CHAT),
            ):
                for _ in range(3):
                    assert post(blocking, path, body).status_code == 200
            assert not any(call.done() for call in waiting)
        finally:
            (tmp_path / "go-on").touch()
        assert [call.result().status_code for call in waiting] == [200] * 8
