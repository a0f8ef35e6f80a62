"""Chat templates of models, however they write the arguments of earlier calls: the prompt has them as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e
ARGUMENTS = '{"city": "Oslo"}'
LOOP = (
    "{%% for m in messages %%}[{{ m['role'] }}]"
    "{%% for tool in m['tool_calls'] or [] %%}{%% set f = tool['function'] %%}<call>%s</call>"
    "{%% endfor %%}{{ m['content'] }}{%% endfor %%}"
)
WAYS = {
    "concatenated": "{{ f['name'] + ' ' + f['arguments'] }}",
    "joined": "{{ f['name'] ~ ' ' ~ f['arguments'] }}",
    "printed": "{{ f.name }} {{ f.arguments }}",
    "as JSON": "{{ f.name }} {{ f.arguments | tojson }}",
    "by kind": "{{ f.name }} "
    "{% if f.arguments is string %}{{ f.arguments }}{% else %}{{ f.arguments | tojson }}{% endif %}",
    "by name": "{{ f.name }} {{ '{' }}"
    '{% for k, v in f.arguments.items() %}"{{ k }}": "{{ v }}"{% endfor %}{{ \'}\' }}',
}
CONVERSATION: list[dict[str, Any]] = [
    {"role": "user", "content": "Weather?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": ARGUMENTS}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "rain"},
]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    running = start_server(["demo", "--trust-request-chat-template"])
    yield running
    running.stop()


@pytest.mark.parametrize("way", WAYS)
def test_arguments_of_earlier_calls(served: RunningServer, way: str) -> None:
    body = {"model": "demo", "messages": CONVERSATION, "tools": TOOLS, "chat_template": LOOP % WAYS[way]}
    with httpx.Client(base_url=served.url, timeout=60) as client:
        reply = client.post("/v1/chat/completions", json={**body, "max_tokens": 3})
        assert reply.status_code == 200, reply.text
        tokens = client.post("/tokenize", json=body).json()["tokens"]
        prompt = client.post("/detokenize", json={"model": "demo", "tokens": tokens}).json()["prompt"]
    assert f"[assistant]<call>f {ARGUMENTS}</call>" in prompt
    assert prompt.endswith("[tool]rain")


def test_an_error_of_the_template_says_so(served: RunningServer) -> None:
    """And names what it comes from: the template of the request here, the conversation where it is the model's."""
    body = {"model": "demo", "messages": CONVERSATION, "chat_template": "{{ messages[0].content + 1 }}"}
    reply = httpx.post(f"{served.url}/v1/chat/completions", json=body, timeout=60)
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, "chat_template")
    assert "template" in error["message"]
