"""Bodies as client libraries send them, defaults and all: each is answered in the shape that its library reads."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e
CHAT, TEXT, EMBED = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
USER = {"role": "user", "content": "What is the weather in Paris?"}
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"title": "City", "type": "string"}},
    "required": ["city"],
    "title": "GetWeather",
    "description": "The weather.",
}
CLOSED = {**PARAMETERS, "additionalProperties": False}
DRAFT = {**CLOSED, "$schema": "http://json-schema.org/draft-07/schema#"}
FORCED = {"type": "function", "function": {"name": "get_weather"}}
PERSON = {
    "type": "object",
    "title": "Person",
    "required": ["name", "tags", "home"],
    "additionalProperties": False,
    "$defs": {
        "Home": {
            "type": "object",
            "title": "Home",
            "properties": {"at": {"type": "string", "format": "path", "maxLength": 5}},
            "required": ["at"],
            "additionalProperties": False,
        },
    },
    "properties": {
        "name": {"title": "Name", "enum": ["Ann", "Bob"], "type": "string"},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2, "uniqueItems": True},
        "home": {"$ref": "#/$defs/Home"},
        "secret": {"type": "string", "format": "password", "writeOnly": True, "maxLength": 3},
        "age": {"anyOf": [{"type": "integer", "maximum": 99}, {"type": "null"}], "default": None},
    },
}


def tool(parameters: Any, **more: Any) -> dict[str, Any]:
    function = {"name": "get_weather", "description": "The weather.", "parameters": parameters, **more}
    return {"type": "function", "function": function}


def history(*, arguments: str = '{"city": "Paris"}') -> list[dict[str, Any]]:
    """Return a conversation with a call, the assistant's message as ``model_dump()`` of the OpenAI SDK has it."""
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    assistant = {
        "content": None,
        "refusal": None,
        "role": "assistant",
        "annotations": [],
        "audio": None,
        "function_call": None,
        "tool_calls": [call],
    }
    return [USER, assistant, {"role": "tool", "tool_call_id": "call_1", "content": '{"temperature": 18}'}]


Check = Callable[[Any], None]


def answered(reply: Any) -> None:
    (choice,) = reply["choices"]
    assert reply["object"] == "chat.completion"
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    assert choice["finish_reason"] in ("stop", "length")
    assert reply["usage"]["total_tokens"] == reply["usage"]["prompt_tokens"] + reply["usage"]["completion_tokens"]


def called(reply: Any) -> None:
    (call,) = reply["choices"][0]["message"]["tool_calls"]
    assert call["type"] == "function"
    assert call["function"]["name"] == "get_weather"
    assert set(json.loads(call["function"]["arguments"])) == {"city"}
    assert reply["choices"][0]["finish_reason"] in ("tool_calls", "stop")


def person(reply: Any) -> None:
    message = reply["choices"][0]["message"]
    text = message["tool_calls"][0]["function"]["arguments"] if message.get("tool_calls") else message["content"]
    found = json.loads(text)
    assert found["name"] in ("Ann", "Bob")
    assert isinstance(found["home"]["at"], str)


def completed(reply: Any) -> None:
    assert reply["object"] == "text_completion"
    assert all(isinstance(choice["text"], str) for choice in reply["choices"])


def streamed(reply: Any) -> None:
    *chunks, usage = reply
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert all(chunk["usage"] is None for chunk in chunks if "usage" in chunk)
    assert chunks[-1]["choices"][0]["delta"] == {}  # with the reason: the text has come before
    assert chunks[-1]["choices"][0]["finish_reason"] in ("stop", "length")
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] > 0


def vectors(reply: Any) -> None:
    assert [row["index"] for row in reply["data"]] == list(range(len(reply["data"])))
    for row in reply["data"]:
        vector = row["embedding"]
        size = len(base64.b64decode(vector)) // 4 if isinstance(vector, str) else len(vector)
        assert size > 16
    assert reply["usage"]["prompt_tokens"] > 0


def ranked(reply: Any) -> None:
    scores = [row["relevance_score"] for row in reply["results"]]
    assert scores == sorted(scores, reverse=True)
    assert {row["index"] for row in reply["results"]} <= {0, 1}


def cohere_vectors(reply: Any) -> None:
    assert len(reply["embeddings"]["float"]) == 2
    assert reply["meta"]["billed_units"]


WEATHER = {"messages": [USER], "temperature": 0, "max_tokens": 100}
PROMPT = {"prompt": "Hello", "max_tokens": 3}
CASES: dict[str, tuple[str, dict[str, Any], Check]] = {
    "openai: create": (CHAT, {"messages": [USER], "max_completion_tokens": 5, "n": 1, "store": False}, answered),
    "openai: parse": (
        CHAT,
        {
            "messages": [USER],
            "stream": False,
            "max_tokens": 300,
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "P",
                    "strict": True,
                    "schema": {
                        "properties": {
                            "name": {"enum": ["Ann", "Bob"], "title": "Name", "type": "string"},
                            "home": {
                                "type": "object",
                                "properties": {"at": {"type": "string", "maxLength": 3}},
                                "required": ["at"],
                                "additionalProperties": False,
                            },
                        },
                        "required": ["name", "home"],
                        "title": "P",
                        "type": "object",
                        "additionalProperties": False,
                    },
                },
            },
        },
        person,
    ),
    "openai: parse with a pydantic tool": (
        CHAT,
        {**WEATHER, "stream": False, "tools": [tool(CLOSED, strict=True)], "parallel_tool_calls": False},
        called,
    ),
    "openai: a message that came back": (
        CHAT,
        {"messages": history(), "max_tokens": 5, "tools": [tool(CLOSED)]},
        answered,
    ),
    "openai js: stream": (
        CHAT,
        {"messages": [USER], "max_tokens": 5, "stream": True, "stream_options": {"include_usage": True}},
        streamed,
    ),
    "langchain ChatOpenAI": (
        CHAT,
        {"messages": [USER], "stream": False, "max_completion_tokens": 5, "temperature": 0.7},
        answered,
    ),
    "langchain ChatOpenAI: stream_usage": (
        CHAT,
        {
            "messages": [{"content": "Hi", "role": "user"}],
            "stream": True,
            "max_completion_tokens": 5,
            "stream_options": {"include_usage": True},
        },
        streamed,
    ),
    "langchain bind_tools": (
        CHAT,
        {
            "messages": [{"role": "system", "content": "Help."}, USER],
            "stream": False,
            "temperature": 0,
            "max_completion_tokens": 100,
            "tools": [tool(PARAMETERS)],
            "tool_choice": FORCED,
        },
        called,
    ),
    "langchain with_structured_output": (
        CHAT,
        {
            "messages": [USER],
            "stream": False,
            "max_completion_tokens": 300,
            "parallel_tool_calls": False,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "Person", "strict": None, "schema": PERSON},
            },
        },
        person,
    ),
    "langchain OpenAI": (
        TEXT,
        {
            "prompt": ["Hello"],
            "temperature": 0.7,
            "max_tokens": 3,
            "top_p": 1,
            "frequency_penalty": 0,
            "presence_penalty": 0,
            "n": 1,
            "logprobs": None,
            "seed": None,
            "logit_bias": None,
        },
        completed,
    ),
    "langchain OpenAIEmbeddings": (EMBED, {"input": [[5, 6, 7], [8]], "encoding_format": "base64"}, vectors),
    "langchain OpenAIEmbeddings, check_embedding_ctx_length=False": (EMBED, {"input": ["a fox", "b"]}, vectors),
    "litellm openai/": (
        CHAT,
        {
            "messages": [USER],
            "max_tokens": 5,
            "stream": False,
            "drop_params": True,
            "tags": ["a"],
            "metadata": {"trace": "x"},
            "extra_body": {},
        },
        answered,
    ),
    "litellm openai/ embeddings": (EMBED, {"input": ["a fox"], "user": "u"}, vectors),
    "litellm hosted_vllm/": (CHAT, {**WEATHER, "tools": [tool(PARAMETERS)], "tool_choice": "required"}, called),
    "litellm hosted_vllm/ rerank": (
        "/rerank",
        {"query": "fox", "documents": ["a fox", "a dog"], "top_n": 2, "return_documents": True},
        ranked,
    ),
    "llama-index OpenAILike": (TEXT, {**PROMPT, "stream": False, "temperature": 0.1}, completed),
    "llama-index OpenAILike: chat tools": (
        CHAT,
        {
            **WEATHER,
            "stream": False,
            "tools": [tool(PARAMETERS, strict=False)],
            "tool_choice": "required",
            "parallel_tool_calls": False,
        },
        called,
    ),
    "instructor": (
        CHAT,
        {
            "messages": [USER],
            "max_tokens": 300,
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "Person", "description": "Correctly extracted `Person`", "parameters": PERSON},
                }
            ],
            "tool_choice": {"type": "function", "function": {"name": "Person"}},
        },
        person,
    ),
    "instructor: JSON mode": (
        CHAT,
        {"messages": [USER], "max_tokens": 300, "response_format": {"type": "json_object", "schema": PERSON}},
        person,
    ),
    "AI SDK openai-compatible": (
        CHAT,
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
            "max_tokens": 5,
            "stream": True,
            "tools": [tool(DRAFT)],
            "tool_choice": "none",
            "stream_options": {"include_usage": True},
        },
        streamed,
    ),
    "AI SDK openai-compatible: tools": (CHAT, {**WEATHER, "tools": [tool(DRAFT)], "tool_choice": "auto"}, called),
    "AI SDK openai-compatible: object": (
        CHAT,
        {
            "messages": [USER],
            "max_tokens": 300,
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "response",
                    "description": None,
                    "schema": {**PERSON, "$schema": DRAFT["$schema"]},
                },
            },
        },
        person,
    ),
    "AI SDK openai-compatible: completion": (TEXT, {**PROMPT, "stop": ["\nuser:"]}, completed),
    "pydantic-ai": (
        CHAT,
        {
            "messages": [{"role": "system", "content": "Help."}, USER],
            "stream": False,
            "temperature": 0,
            "max_completion_tokens": 100,
            "tools": [tool(CLOSED, strict=False)],
            "tool_choice": "required",
        },
        called,
    ),
    "pydantic-ai: a call without arguments in the history": (
        CHAT,
        {"messages": history(arguments=""), "tools": [tool(CLOSED)], "tool_choice": "auto", "max_tokens": 5},
        answered,
    ),
    "openai-agents chat model": (
        CHAT,
        {
            "messages": [USER],
            "max_tokens": 5,
            "tools": [],
            "tool_choice": "auto",
            "stream": False,
            "store": None,
            "reasoning_effort": None,
            "verbosity": None,
            "metadata": None,
        },
        answered,
    ),
    "older clients: functions": (
        CHAT,
        {"messages": [USER], "max_tokens": 5, "functions": [], "function_call": "auto"},
        answered,
    ),
    "audio-aware clients": (
        CHAT,
        {
            "messages": [USER],
            "max_tokens": 5,
            "modalities": ["text"],
            "audio": None,
            "prediction": None,
            "service_tier": "auto",
            "web_search_options": None,
        },
        answered,
    ),
    "cohere ClientV2: rerank": (
        "/v2/rerank",
        {"query": "fox", "documents": ["a fox", "a dog"], "top_n": 1, "max_tokens_per_doc": None},
        ranked,
    ),
    "cohere v1: rerank": (
        "/v1/rerank",
        {"query": "fox", "documents": ["a fox", "a dog"], "return_documents": None},
        ranked,
    ),
    "cohere ClientV2: embed": (
        "/v2/embed",
        {
            "texts": ["a fox", "b"],
            "input_type": "search_document",
            "embedding_types": ["float"],
            "output_dimension": None,
            "truncate": None,
            "images": None,
            "inputs": None,
            "max_tokens": None,
        },
        cohere_vectors,
    ),
}
MODELS = {CHAT: "demo", TEXT: "demo", EMBED: "embedder", "/v2/embed": "embedder"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The demo model, as an embedder too, and the demo reranker."""
    config = tmp_path_factory.mktemp("models") / "models.yaml"
    models = [{"model": "demo"}, {"model": "demo-reranker"}, {"model": "demo", "name": "embedder", "convert": "embed"}]
    config.write_text(json.dumps({"kv-cache-memory-bytes": "64M", "models": models}))
    running = start_server(["--config", str(config)])
    yield running
    running.stop()


@pytest.mark.parametrize("name", CASES)
def test_what_libraries_send(served: RunningServer, name: str) -> None:
    path, body, check = CASES[name]
    named = {"model": MODELS.get(path, "demo-reranker"), **body}
    headers = {"authorization": "Bearer none", "accept": "application/json"}  # of streams as well
    reply = httpx.post(f"{served.url}{path}", json=named, headers=headers, timeout=60)
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-request-id"]
    if not body.get("stream"):
        check(reply.json())
        return
    assert reply.headers["content-type"].startswith("text/event-stream")
    lines = [line[6:] for line in reply.text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    check([json.loads(line) for line in lines[:-1]])


def test_what_is_not_known_is_named(served: RunningServer) -> None:
    """What a library puts into the body for another server does no harm, and is not lost silently."""
    _, body, _ = CASES["litellm openai/"]
    reply = httpx.post(f"{served.url}{CHAT}", json={"model": "demo", **body}, timeout=60)
    assert {"drop_params", "tags"} <= {name.strip() for name in reply.headers["x-unknown-fields"].split(",")}
