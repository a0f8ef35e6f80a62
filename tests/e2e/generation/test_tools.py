"""The demo model calls its tool, through the official client's helpers, streamed and not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pydantic
import pytest
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e
QUESTION: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [{"type": "function", "function": {"name": "get_weather", "parameters": CITY}}]
NAMED = {"type": "function", "function": {"name": "get_weather"}}


class Weather(pydantic.BaseModel):
    """The weather in a city."""

    city: str


class Person(pydantic.BaseModel):
    """What a text says of somebody."""

    name: str
    age: int


@pytest.fixture(scope="module")
def demo() -> Iterator[RunningServer]:
    running = start_server(["demo", "--reasoning-parser", "mistral"])
    yield running
    running.stop()


def ask(demo: RunningServer, **fields: Any) -> Any:
    given = {"model": "demo", "messages": QUESTION, "tools": TOOLS, "temperature": 0, "max_tokens": 100, **fields}
    return demo.openai().chat.completions.create(**given)


@pytest.mark.parametrize("choice", ["auto", "required", NAMED], ids=["auto", "required", "named"])
@pytest.mark.parametrize("strict", [False, True])
def test_the_model_calls_its_tool(demo: RunningServer, choice: Any, strict: bool) -> None:
    tools = [{"type": "function", "function": {**TOOLS[0]["function"], "strict": strict}}]
    reply = ask(demo, tools=tools, tool_choice=choice).choices[0]
    (call,) = reply.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    assert call.id.startswith("chatcmpl-tool-")
    assert reply.finish_reason == ("stop" if choice is NAMED else "tool_calls")

    chunks = list(ask(demo, tools=tools, tool_choice=choice, stream=True))
    deltas = [c.choices[0].delta.tool_calls[0] for c in chunks if c.choices[0].delta.tool_calls]
    assert (deltas[0].function.name, deltas[0].type, deltas[0].index) == ("get_weather", "function", 0)
    assert all(d.function.name is None and d.id is None for d in deltas[1:])
    # In how many pieces is the machine's affair: a busy one sends what several steps made at once.
    assert "".join(d.function.arguments or "" for d in deltas) == call.function.arguments
    assert chunks[-1].choices[0].finish_reason == reply.finish_reason


def test_with_the_helpers_of_the_client(demo: RunningServer) -> None:
    client = demo.openai()
    with client.chat.completions.stream(model="demo", messages=QUESTION, tools=TOOLS, temperature=0) as stream:
        kinds = {event.type for event in stream}
        message = stream.get_final_completion().choices[0].message
    assert "tool_calls.function.arguments.done" in kinds
    assert message.tool_calls is not None
    answer = {"role": "tool", "tool_call_id": message.tool_calls[0].id}
    result = {**answer, "content": '{"temperature": 18, "condition": "sunny"}'}
    told = ask(demo, messages=[*QUESTION, message.model_dump(exclude_none=True), result])
    assert "18" in told.choices[0].message.content
    assert told.choices[0].message.tool_calls is None


def test_tools_and_answers_as_pydantic_models(demo: RunningServer) -> None:
    """The client's ``parse`` and ``stream``: a function made of a class, which is strict, and an answer held to one."""
    completions = demo.openai().chat.completions
    tool = openai.pydantic_function_tool(Weather, name="get_weather")
    given: dict[str, Any] = {"model": "demo", "temperature": 0, "max_tokens": 100}
    reply = completions.parse(messages=QUESTION, tools=[tool], **given)
    assert reply.choices[0].message.tool_calls[0].function.parsed_arguments == Weather(city="Paris")
    with completions.stream(messages=QUESTION, tools=[tool], **given) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
    assert [event.parsed_arguments for event in done] == [Weather(city="Paris")]

    text = "Extract the name and age as JSON: Maria is 31 years old."
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": text}], "response_format": Person, **given}
    person = completions.parse(**asked).choices[0].message.parsed
    assert person == Person(name="Maria", age=31)
    with completions.stream(**asked) as stream:
        kinds = {event.type for event in stream}
        assert stream.get_final_completion().choices[0].message.parsed == person
    assert {"content.delta", "content.done"} <= kinds


def test_tools_that_must_not_be_called_are_not_parsed(demo: RunningServer) -> None:
    reply = ask(demo, tool_choice="none").choices[0]
    assert reply.message.tool_calls is None
    assert "<tool_call>" in reply.message.content
    assert reply.finish_reason == "stop"


def test_a_call_that_is_cut_off_says_so(demo: RunningServer) -> None:
    reply = ask(demo, max_tokens=14).choices[0]
    assert reply.finish_reason == "length"
    (call,) = reply.message.tool_calls
    assert '{"city": "Paris"}'.startswith(call.function.arguments)


def test_without_reasoning_there_is_none(demo: RunningServer) -> None:
    reply = ask(demo)
    assert reply.choices[0].message.reasoning is None
    assert reply.usage.completion_tokens_details.reasoning_tokens == 0


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"type": "gadget", "function": {"name": "f"}}]}, "tools[0].type"),
        ({"tools": None, "tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "zzz"}}}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {}}}, "tool_choice.function.name"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
    ],
)
def test_what_cannot_be_is_refused_by_name(demo: RunningServer, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(demo, **fields)
    assert refused.value.param == param
