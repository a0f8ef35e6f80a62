"""What the shipped demo checkpoint answers: as much as its README says, and what people are likely to ask first."""

from __future__ import annotations

import json
from typing import Any

import pytest
from frameworkctl_demo.training.conversations.turns import DO_NOT_KNOW
from frameworkctl_demo.training.evaluate import WEIGHTS, Checkpoint, accuracy
from frameworkctl_demo.training.words.facts import CAPITALS, FIFTY


def tool(name: str, **parameters: str) -> dict[str, Any]:
    shown = {key: {"type": "string", "description": text} for key, text in parameters.items()}
    schema = {"type": "object", "properties": shown, "required": list(shown)}
    return {"type": "function", "function": {"name": name, "description": f"Use {name}.", "parameters": schema}}


WEATHER = tool("get_weather", city="The city, such as Paris")
CALCULATOR = tool("calculator", expression="What to calculate")


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(WEIGHTS)


def test_held_out_accuracy():
    # What the README says, less what chance takes from thirty questions.
    least = {
        "greetings": 0.78,
        "addition": 0.88,
        "subtraction": 0.86,
        "capitals": 0.88,
        "more_capitals": 0.76,
        "extraction": 0.52,
        "sentiment": 0.9,
        "tool_calls": 0.7,
        "tool_results": 0.82,
        "unknown": 0.82,
    }
    measured = accuracy(WEIGHTS, 30, 2)
    assert not {skill: share for skill, share in measured.items() if share < least[skill]}


def test_every_one_of_the_fifty_capitals(checkpoint):
    asked = [[{"role": "user", "content": f"What is the capital of {country}?"}] for country in FIFTY]
    wrong = [
        (country, reply)
        for country, reply in zip(FIFTY, checkpoint.answer(asked), strict=True)
        if CAPITALS[country] not in reply
    ]
    assert not wrong


def test_small_sums(checkpoint):
    pairs = [(a, b) for a in range(0, 21, 2) for b in range(1, 21, 3)]
    asked = [[{"role": "user", "content": f"What's {a} + {b}?"}] for a, b in pairs]
    replies = checkpoint.answer(asked)
    wrong = [(pair, reply) for pair, reply in zip(pairs, replies, strict=True) if not reply.endswith(f"= {sum(pair)}.")]
    assert len(wrong) <= 1, wrong


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("Hello", "Hello! I am the frameworkctl demo model."),
        ("What is 2 + 2?", "2 + 2 = 4."),
        ("what is 12 plus 7", "12 + 7 = 19."),
        ("How much is 30 minus 4?", "30 - 4 = 26."),
        ("What is the capital of France?", "The capital of France is Paris."),
        ("Is this positive or negative: I loved it", "positive"),
        ("What is the sentiment of this sentence? The food was awful.", "negative"),
        ("Who wrote Hamlet?", DO_NOT_KNOW),
        ("What is the weather in Paris?", DO_NOT_KNOW),
    ],
)
def test_first_questions(checkpoint, question, reply):
    assert checkpoint.answer([[{"role": "user", "content": question}]])[0].startswith(reply)


@pytest.mark.parametrize(
    ("question", "fields"),
    [
        ("Extract the name and age as JSON: Maria is 31 years old.", {"name": "Maria", "age": 31}),
        ("Extract name and city as JSON: John lives in Paris.", {"name": "John", "city": "Paris"}),
    ],
)
def test_first_extractions(checkpoint, question, fields):
    assert json.loads(checkpoint.answer([[{"role": "user", "content": question}]])[0]) == fields


@pytest.mark.parametrize("tools", [[WEATHER, CALCULATOR], [CALCULATOR, WEATHER]])
@pytest.mark.parametrize(
    ("question", "name", "arguments"),
    [
        ("What is the weather in Paris?", "get_weather", {"city": "Paris"}),
        ("What is 23 * 17?", "calculator", {"expression": "23 * 17"}),
    ],
)
def test_first_tool_calls(checkpoint, tools, question, name, arguments):
    reply = checkpoint.answer([[{"role": "user", "content": question}]], [tools])[0]
    call = json.loads(reply.removeprefix("<tool_call>").removesuffix("</tool_call>"))
    assert call == {"name": name, "arguments": arguments}
