"""The demo model behind the server: thirty questions it was not trained on, through the official client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from frameworkctl_demo.training.conversations.chat import messages, schemas
from frameworkctl_demo.training.conversations.data import SKILLS, Conversation, held_out_questions
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def demo() -> Iterator[RunningServer]:
    running = start_server(["demo"])
    yield running
    running.stop()


def sent(message: dict[str, str]) -> dict[str, Any]:
    """A message of the training format as clients send it: calls as ``tool_calls``."""
    if message["role"] == "tool":
        return {**message, "tool_call_id": "call_1"}
    if not message["content"].startswith("<tool_call>"):
        return dict(message)
    call = json.loads(message["content"].removeprefix("<tool_call>").removesuffix("</tool_call>"))
    function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
    return {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}


def ask(client: Any, question: Conversation, *, stream: bool) -> str:
    """The reply; a call of a tool in the format it was trained in."""
    given: list[Any] = [sent(message) for message in messages(question, last_reply=False)]
    tools: dict[str, Any] = {"tools": schemas(question)} if question.tools else {}
    reply = client.chat.completions.create(model="demo", messages=given, temperature=0, stream=stream, **tools)
    said = [chunk.choices[0].delta for chunk in reply if chunk.choices] if stream else [reply.choices[0].message]
    functions = [call.function for part in said for call in part.tool_calls or []]
    if functions:
        name = "".join(function.name or "" for function in functions)
        arguments = "".join(function.arguments or "" for function in functions)
        return f'{{"name": "{name}", "arguments": {arguments}}}'
    return "".join(part.content or "" for part in said)


def told(text: str) -> Any:
    """What a reply says: JSON, alone or as a tool call, is compared as JSON, anything else as text."""
    try:
        return json.loads(text.strip().removeprefix("<tool_call>").removesuffix("</tool_call>"))
    except ValueError:
        return text.strip()


def test_most_of_thirty_held_out_questions_are_answered_right(demo: RunningServer) -> None:
    questions = [question for skill in SKILLS for question in held_out_questions(skill, 3, 4, context=False)]
    assert len(questions) == 30
    client = demo.openai()
    wrong = []
    for number, question in enumerate(questions):
        reply = ask(client, question, stream=number % 2 == 0)
        if told(reply) != told(question.turns[-1].reply):
            wrong.append((question.turns[-1].said, reply))
    assert len(wrong) <= 3, wrong
