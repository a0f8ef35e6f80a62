"""The demo model behind the server: thirty questions it was not trained on, through the official client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from frameworkctl_demo.training.chat import spelled_out
from frameworkctl_demo.training.data import SKILLS, Conversation, held_out_questions
from support.server import RunningServer, start_server

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def demo() -> Iterator[RunningServer]:
    running = start_server(["demo"])
    yield running
    running.stop()


def ask(client: Any, question: Conversation, *, stream: bool) -> str:
    # The tools stand in the system message as the chat template would write them.
    given: list[Any] = spelled_out(question, last_reply=False)
    reply = client.chat.completions.create(model="demo", messages=given, temperature=0, max_tokens=150, stream=stream)
    if stream:
        return "".join(chunk.choices[0].delta.content or "" for chunk in reply if chunk.choices)
    return str(reply.choices[0].message.content)


def told(text: str) -> Any:
    """What a reply says: JSON, alone or as a tool call, is compared as JSON, anything else as text."""
    try:
        return json.loads(text.strip().removeprefix("<tool_call>").removesuffix("</tool_call>"))
    except ValueError:
        return text.strip()


def test_at_least_27_of_30_held_out_questions_are_answered_right(demo: RunningServer) -> None:
    questions = [question for skill in SKILLS for question in held_out_questions(skill, 3, 4)]
    assert len(questions) == 30
    client = demo.openai()
    wrong = []
    for number, question in enumerate(questions):
        reply = ask(client, question, stream=number % 2 == 0)
        if told(reply) != told(question.turns[-1].reply):
            wrong.append((question.turns[-1].said, reply))
    assert len(wrong) <= 3, wrong
