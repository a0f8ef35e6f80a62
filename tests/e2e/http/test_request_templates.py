"""Chat templates, variables and documents in requests: refused, rendered, and ended when they take too much."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from support.serving.programs import command_line
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e

TEMPLATE = "{{ messages[0].content }}{{ x }}{% for d in documents or [] %}({{ d.text }}){% endfor %}"
BOMBS = ("{{ 'x' * 10**10 }}", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
MESSAGES = [{"role": "user", "content": "the quick"}]


@pytest.fixture(scope="module")
def trusting(checkpoints: dict[str, Path]) -> Iterator[RunningServer]:
    server = start_server([str(checkpoints["llama"]), "--served-model-name", "m", "--trust-request-chat-template"])
    yield server
    server.stop()


def chat(server: RunningServer, **body: Any) -> httpx.Response:
    sent = {"messages": MESSAGES, "max_tokens": 2, "temperature": 0, "return_token_ids": True, **body}
    return httpx.post(f"{server.url}/v1/chat/completions", json=sent, timeout=60)


def prompt_of(server: RunningServer, reply: httpx.Response) -> str:
    assert reply.status_code == 200, reply.text
    ids = reply.json()["prompt_token_ids"]
    return str(httpx.post(f"{server.url}/detokenize", json={"tokens": ids}).json()["prompt"])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"chat_template": TEMPLATE}, "chat_template"),
        ({"chat_template_kwargs": {"chat_template": TEMPLATE}}, "chat_template_kwargs.chat_template"),
        ({"chat_template_kwargs": {"tokenize": False}}, "chat_template_kwargs"),
        ({"documents": [{"text": 5}]}, "documents[0][...]"),
    ],
)
def test_refused_by_name(server: RunningServer, body: dict[str, Any], param: str) -> None:
    reply = chat(server, **body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


def test_template_variables_and_documents_of_the_request(trusting: RunningServer) -> None:
    given = {"chat_template_kwargs": {"x": "!"}, "documents": [{"text": "a"}, {"text": "b"}]}
    assert prompt_of(trusting, chat(trusting, chat_template=TEMPLATE, **given)) == "the quick!(a)(b)"
    given["chat_template_kwargs"] = {"x": "?", "chat_template": TEMPLATE}
    assert prompt_of(trusting, chat(trusting, **given)) == "the quick?(a)(b)"
    assert "<|im_start|>" in prompt_of(trusting, chat(trusting))
    body = {"messages": MESSAGES, "chat_template": TEMPLATE, "return_token_strs": True}
    reply = httpx.post(f"{trusting.url}/tokenize", json=body, timeout=60)
    assert "".join(reply.json()["token_strs"]).replace("Ġ", " ") == "the quick"


def test_bombs_end_alone(trusting: RunningServer) -> None:
    """More of them at once than workers and than threads that render: all others are served meanwhile."""
    chat(trusting, chat_template=TEMPLATE)
    with ThreadPoolExecutor(6) as threads:
        bombs = [threads.submit(chat, trusting, chat_template=BOMBS[n % 2]) for n in range(5)]
        assert chat(trusting).status_code == 200
        assert not all(bomb.done() for bomb in bombs)
        for bomb in bombs:
            reply = bomb.result()
            assert (reply.status_code, reply.json()["error"]["param"]) == (400, "chat_template")
            assert reply.json()["error"]["code"] in ("chat_template_memory", "chat_template_timeout")
    assert prompt_of(trusting, chat(trusting, chat_template=TEMPLATE)) == "the quick"
    children = psutil.Process(trusting.process.pid).children()
    workers = [p for p in children if "frameworkctl.workers.process" in command_line(p)]
    assert 1 <= len(workers) <= 2
