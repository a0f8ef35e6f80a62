"""Structured output through the OpenAI client: every field, streams, several choices, stop strings, mistakes."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

import httpx
import openai
import pytest
from support.serving.server import RunningServer

pytestmark = pytest.mark.e2e
PERSON = {
    "type": "object",
    "properties": {"name": {"enum": ["ann", "bob"]}, "age": {"type": "integer", "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
MESSAGES: list[Any] = [{"role": "user", "content": "the quick brown fox"}]
NO_BLANKS = {str(i): -100.0 for i in (202, 203, 206, 225)}  # tab, newlines and blank of this tokenizer; 6 is a quote


def complete(server: RunningServer, **fields: Any) -> httpx.Response:
    body = {"model": "a", "prompt": "the lazy dog", "max_tokens": 100, "seed": 1, **fields}
    return httpx.post(f"{server.url}/v1/completions", json=body, timeout=60)


def text(reply: httpx.Response) -> str:
    assert reply.status_code == 200, reply.text
    assert reply.json()["choices"][0]["finish_reason"] == "stop", reply.text
    return str(reply.json()["choices"][0]["text"])


@pytest.mark.parametrize(
    ("given", "pattern"),
    [
        ({"regex": r"\d{2}-[ab]{3}"}, r"[0-9]{2}-[ab]{3}"),
        ({"choice": ["yes", "no"]}, "yes|no"),
        ({"grammar": 'start: "a" | "b" /[0-9]{2}/'}, "a|b[0-9]{2}"),
        ({"grammar": 'root ::= "x" [0-9]'}, "x[0-9]"),
        ({"json": PERSON, "disable_any_whitespace": True}, r'\{"name":"(ann|bob)","age":-?\d+\}'),
        ({"json": json.dumps({"const": [1, "ü"]}), "whitespace_pattern": "_"}, r"\[_*1_*,_*\"ü\"_*\]"),
        ({"structural_tag": {"format": {"type": "const_string", "value": "this"}}}, "this"),
    ],
)
def test_structured_outputs(server: RunningServer, given: dict[str, Any], pattern: str) -> None:
    assert re.fullmatch(pattern, text(complete(server, structured_outputs=given)))


def test_chat_by_schema_streamed_and_not(server: RunningServer) -> None:
    client = server.openai()
    given: dict[str, Any] = {"model": "b", "messages": MESSAGES, "max_tokens": 200, "seed": 5}
    given |= {"response_format": FORMAT, "logit_bias": NO_BLANKS}
    reply = client.chat.completions.create(**given)
    content = reply.choices[0].message.content
    person = json.loads(content)
    assert person["name"] in ("ann", "bob")
    assert person["age"] <= 99
    pieces = [c.choices[0].delta.content or "" for c in client.chat.completions.create(**given, stream=True)]
    assert "".join(pieces) == content
    assert reply.choices[0].finish_reason == "stop"


def test_parse_makes_a_pydantic_model(server: RunningServer) -> None:
    from pydantic import BaseModel

    class Colour(BaseModel):
        name: str
        warm: bool

    reply = server.openai().chat.completions.parse(
        model="a",
        messages=MESSAGES,
        response_format=Colour,
        max_tokens=300,
        seed=2,
        logit_bias={**NO_BLANKS, "6": 100.0},
    )
    assert isinstance(reply.choices[0].message.parsed, Colour)


def test_several_choices_logprobs_and_stop_strings(server: RunningServer) -> None:
    reply = complete(server, n=3, structured_outputs={"regex": "[ab]{4}c[ab]{4}"}, stop="c", logprobs=2)
    choices = reply.json()["choices"]
    assert [c["stop_reason"] for c in choices] == ["c"] * 3
    assert all(re.fullmatch("[ab]{4}", c["text"]) for c in choices)
    assert len({c["text"] for c in choices}) > 1


def test_constrained_and_plain_requests_run_beside_each_other(server: RunningServer) -> None:
    """Each says what it says alone."""
    bodies = [
        {"structured_outputs": {"regex": "[a-z]{30}"}},
        {"max_tokens": 30},
        {"response_format": {"type": "json_object"}},
        {"structured_outputs": {"choice": ["one", "two"]}, "seed": 9},
        {"max_tokens": 20, "temperature": 0},
    ] * 2
    alone = [complete(server, **b).json()["choices"][0]["text"] for b in bodies]
    together: list[str] = [""] * len(bodies)

    def run(i: int) -> None:
        together[i] = complete(server, **bodies[i]).json()["choices"][0]["text"]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"structured_outputs": {}}, "structured_outputs"),
        ({"structured_outputs": {"jsn": {}}}, "structured_outputs"),
        ({"structured_outputs": {"choice": ["a"], "regex": "b"}}, "structured_outputs"),
        ({"structured_outputs": {"choice": []}}, "structured_outputs.choice"),
        ({"structured_outputs": {"choice": [1]}}, "structured_outputs.choice[0]"),
        ({"structured_outputs": {"json": 5}}, "structured_outputs.json"),
        ({"structured_outputs": {"json": "nope"}}, "structured_outputs.json"),
        ({"structured_outputs": {"json": {"type": "objekt"}}}, "structured_outputs.json"),
        ({"structured_outputs": {"regex": "((a{1,1000}){1,1000}){1,1000}"}}, "structured_outputs.regex"),
        ({"structured_outputs": {"regex": "(?=a)b"}}, "structured_outputs.regex"),
        ({"structured_outputs": {"grammar": 'start: <|nope|> "a"'}}, "structured_outputs.grammar"),  # by the engine
        ({"structured_outputs": {"regex": "[ab]+"}, "allowed_token_ids": [90, 91]}, "structured_outputs.regex"),
        ({"structured_outputs": {"grammar": "root ::= ("}}, "structured_outputs.grammar"),
        ({"structured_outputs": {"structural_tag": "{}"}}, "structured_outputs.structural_tag"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": "json_object"}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {**FORMAT, "json_schema": {"name": "x"}}}, "response_format.json_schema.schema"),
        ({"response_format": {"type": "structural_tag"}}, "response_format"),
        ({"response_format": {"type": "text", "schema": {}}}, "response_format.schema"),
        ({"response_format": {**FORMAT, "schema": {}}}, "response_format.schema"),
        ({"response_format": FORMAT, "structured_outputs": {"choice": ["a"]}}, "structured_outputs"),
        ({"use_beam_search": True, "n": 2, "structured_outputs": {"choice": ["a"]}}, "structured_outputs"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_mistakes_name_the_field(server: RunningServer, fields: dict[str, Any], param: str, stream: bool) -> None:
    reply = complete(server, **fields, stream=stream)
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert error["param"] == param, error


def test_a_schema_nested_without_end_is_refused(server: RunningServer) -> None:
    deep = '{"type":"array","items":' * 30_000 + "{}" + "}" * 30_000
    body = '{"model":"a","prompt":"x","structured_outputs":{"json":' + deep + "}}"
    headers = {"content-type": "application/json"}
    assert httpx.post(f"{server.url}/v1/completions", content=body, headers=headers, timeout=60).status_code == 400
    assert complete(server, structured_outputs={"json": deep}).json()["error"]["param"] == "structured_outputs.json"


def test_the_client_sees_bad_requests(server: RunningServer) -> None:
    with pytest.raises(openai.BadRequestError, match="uniqueItems"):
        server.openai().chat.completions.create(
            model="a",
            messages=MESSAGES,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"uniqueItems": True}, "strict": True},
            },
        )


LOOSE = {
    "type": "object",
    "properties": {"a": {"enum": ["x"]}, "b": {"enum": ["y"], "not": {}}},
    "required": ["a"],
    "additionalProperties": False,
}
PATH = "properties.b.not"


@pytest.mark.parametrize(
    ("fields", "loosened"),
    [
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": LOOSE}}},
            f"response_format.json_schema.schema.{PATH}",
        ),
        ({"response_format": {"type": "json_object", "schema": LOOSE}}, f"response_format.schema.{PATH}"),
        ({"response_format": {"type": "json_schema", "schema": LOOSE}}, f"response_format.schema.{PATH}"),
        (
            {"response_format": {"type": "json_object", "json_schema": {"name": "x", "schema": LOOSE}}},
            f"response_format.json_schema.schema.{PATH}",
        ),
        ({"structured_outputs": {"json": json.dumps(LOOSE)}}, f"structured_outputs.json.{PATH}"),
        ({"response_format": {"type": "json_object"}}, None),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_no_schema_is_dropped_in_silence(
    server: RunningServer, fields: dict[str, Any], loosened: str | None, stream: bool
) -> None:
    reply = complete(server, **fields, stream=stream, logit_bias=NO_BLANKS)
    assert reply.headers.get("x-loosened-schema") == loosened
    if loosened and not stream:
        assert json.loads(text(reply)) in ({"a": "x"}, {"a": "x", "b": "y"})


def test_options_stand_next_to_response_format(server: RunningServer) -> None:
    said = text(complete(server, response_format=FORMAT, structured_outputs={"disable_any_whitespace": True}))
    assert re.fullmatch(r'\{"name":"(ann|bob)","age":-?\d+\}', said)
    wide = {"response_format": FORMAT, "structured_outputs": {"whitespace_pattern": "_"}}
    assert json.loads(text(complete(server, **wide)).replace("_", ""))["name"] in ("ann", "bob")


def test_blanks_are_bounded(server: RunningServer) -> None:
    """A model that likes blanks and nothing else comes to an end, in every way to demand JSON."""
    likes = {"logit_bias": {k: 100.0 for k in NO_BLANKS}, "max_tokens": 250}
    for fields in (
        {"response_format": FORMAT},
        {"structured_outputs": {"json": PERSON}},
        {"structured_outputs": {"grammar": f"start: %json {json.dumps(PERSON)}"}},
    ):
        assert json.loads(text(complete(server, **likes, **fields)))["name"] in ("ann", "bob")


@pytest.mark.parametrize("strict", [False, True])
def test_a_schema_of_a_tool_is_named(server: RunningServer, strict: bool) -> None:
    """The tool and the place in its schema: in the header, or in the error."""
    schemas: list[Any] = [None, {"type": "object", "properties": {"mail": {"type": "string", "pattern": "^(?!x)a$"}}}]
    tools = [{"type": "function", "function": {"name": f"tool{i}", "parameters": s}} for i, s in enumerate(schemas)]
    tools[1]["function"]["strict"] = strict
    body = {"model": "a", "messages": MESSAGES, "tools": tools, "tool_choice": "required", "max_tokens": 5}
    reply = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=60)
    field = "tools[1].function.parameters"
    if not strict:
        assert (reply.status_code, reply.headers["x-loosened-schema"]) == (200, f"{field}.properties.mail.pattern")
        return
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, field)
    assert error["message"].startswith(f"{field} (of the tool 'tool1'): properties.mail.pattern: ")
