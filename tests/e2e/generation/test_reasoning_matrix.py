"""Reasoning, demanded forms, calls and stop strings in every combination, said by a model that follows a script."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import frameworkctl_demo
import httpx
import pytest
from support.plugged.scripted import PATTERN, saying
from support.serving.server import RunningServer, start_server
from tokenizers import Tokenizer

pytestmark = pytest.mark.e2e
TOKENIZER = Tokenizer.from_file(str(Path(frameworkctl_demo.__file__).parent / "weights" / "tokenizer.json"))
END_OF_TURN = TOKENIZER.token_to_id("<|im_end|>")
STOP = "HALT"
THOUGHT = (
    f'so {{"x": {STOP} [1, <tool_call>{{"name": "f", "arguments": {{}}}}</tool_call> [TOOL_CALLS]f[ARGS]{{}} '
    '<|tool_call|>[{"name": "f", "arguments": {}}] [f(a=1)] <think> </thin'
)
MARKERS = {
    "qwen3": ("<think>", "</think>"),
    "deepseek_r1": ("<think>", "</think>"),
    "glm45": ("<think>", "</think>"),
    "granite": ("Here is my thought process:", "Here is my response:"),
    "mistral": ("[THINK]", "[/THINK]"),
    "gemma4": ("<|channel>thought\n", "<channel|>"),
}
ASSUMED = ("qwen3", "deepseek_r1", "glm45")  # without a marker, an output of free form is reasoning
ARGUMENTS = '{"city": "Oslo"}'
CALLS = {  # of f, with a text that a stop string can stand in
    "qwen3": ("hermes", '<tool_call>\n{"name": "f", "arguments": {"city": "Oslo"}}\n</tool_call>'),
    "deepseek_r1": (
        "deepseek_v31",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>"  # noqa: RUF001
        '{"city": "Oslo"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',  # noqa: RUF001
    ),
    "glm45": ("glm45", "<tool_call>f\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>"),
    "granite": ("granite", '<|tool_call|>[{"name": "f", "arguments": {"city": "Oslo"}}]'),
    "mistral": ("mistral", '[TOOL_CALLS]f[ARGS]{"city": "Oslo"}'),
    "gemma4": (
        "kimi_k2",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>"
        '{"city": "Oslo"}<|tool_call_end|><|tool_calls_section_end|>',
    ),
}
CALLED = re.compile(r"(?<![a-z])f(?=[^a-z])")  # the name in them
SCHEMA = {"type": "object", "properties": {"x": {"enum": ["a", "b"]}}, "required": ["x"], "additionalProperties": False}
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def tools(*, strict: bool = False) -> list[Any]:
    return [{"type": "function", "function": {"name": "f", "parameters": CITY, "strict": strict}}]


@dataclass
class Answer:
    """What a model says after its reasoning: content up to the calls, one call of f if ``called``."""

    fields: dict[str, Any]
    content: str = ""
    called: bool = False
    stop: str = ""  # somewhere inside
    finish: str = "stop"
    free: bool = False  # of no demanded form


NAMED = {"type": "function", "function": {"name": "f"}}
ANSWERS = {
    "plain": Answer({}, "Fine, thanks.", stop=", th", free=True),
    "json_schema": Answer(
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
        '{"x": "a"}',
        stop=': "',
    ),
    "json_object": Answer({"response_format": {"type": "json_object"}}, '{"k": [1, {"b": null}]}', stop="{"),
    "choice": Answer({"structured_outputs": {"choice": ["yes", "no way"]}}, "no way", stop="o w"),
    "regex": Answer({"structured_outputs": {"regex": "[a-z]{3}-[0-9]{2}"}}, "abc-12", stop="-"),
    "required": Answer({"tools": tools(), "tool_choice": "required"}, called=True, stop="Os", finish="tool_calls"),
    "named": Answer({"tools": tools(), "tool_choice": NAMED}, called=True, stop="Os"),
    "auto": Answer({"tools": tools()}, "Sure. ", called=True, stop="Os", finish="tool_calls", free=True),
    "strict": Answer({"tools": tools(strict=True)}, "Sure. ", called=True, stop="Os", finish="tool_calls"),
}


@dataclass
class Way:
    """How the model comes to its answer: what the request has before it, and what the model says before it."""

    begins: bool = False  # the model writes the beginning of reasoning
    thinks: bool = False
    closes: bool = True
    prefill: tuple[str, ...] = ()
    prompt: tuple[str, ...] = ()  # what the chat template ends with
    fields: dict[str, Any] = field(default_factory=dict)


WAYS = {
    "thinks": Way(begins=True, thinks=True),
    "answers at once": Way(),
    "never closes": Way(begins=True, thinks=True, closes=False),
    "opened by the prompt": Way(thinks=True, prompt=("start",)),
    "closed by the prompt": Way(prompt=("start", "\n\n", "end", "\n\n")),
    "goes on with an answer": Way(prefill=("So:",)),
    "goes on after reasoning": Way(prefill=("start", "hm", "end", "So: ")),
    "goes on with reasoning": Way(thinks=True, prefill=("start", "hm ")),
    "hides reasoning": Way(begins=True, thinks=True, fields={"include_reasoning": False}),
}
TEMPLATE = "{% for m in messages %}{{ m.content }}\n{% endfor %}"


@dataclass
class Expected:
    """The message and how it ends."""

    reasoning: str
    content: str
    arguments: str | None
    finish: str
    stop_reason: str | None = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The demo model once for each reasoning parser, with some tool parser next to it."""
    config = tmp_path_factory.mktemp("models") / "models.yaml"
    models = [
        {"model": "demo", "name": name, "reasoning-parser": name, "tool-call-parser": CALLS[name][0]}
        for name in MARKERS
    ]
    config.write_text(json.dumps({"kv-cache-memory-bytes": "64M", "models": models}))
    args = ["--config", str(config), "--trust-request-chat-template", "--logits-processor-pattern", PATTERN]
    running = start_server(args, env={"PYTHONPATH": str(Path(__file__).parents[2])})
    yield running
    running.stop()


def ids(text: str) -> list[int]:
    return list(TOKENIZER.encode(text, add_special_tokens=False).ids)


def filled(name: str, parts: tuple[str, ...]) -> str:
    start, end = MARKERS[name]
    return "".join({"start": start, "end": end}.get(part, part) for part in parts)


def body(name: str, answer: Answer, way: Way, stop: str | None) -> dict[str, Any]:
    start, end = MARKERS[name]
    reasoning = (start if way.begins else "") + (THOUGHT if way.thinks else "")
    said = ids(reasoning)
    messages = [{"role": "user", "content": "Hello"}]
    fields: dict[str, Any] = {**answer.fields, **way.fields}
    if way.closes:
        said = ids(reasoning + (end if way.thinks else "") + answer.content + (CALLS[name][1] if answer.called else ""))
        said.append(END_OF_TURN)
    if way.prompt:
        fields["chat_template"] = TEMPLATE + filled(name, way.prompt)
    if way.prefill:
        messages.append({"role": "assistant", "content": filled(name, way.prefill)})
        fields |= {"continue_final_message": True, "add_generation_prompt": False}
    return {
        "model": name,
        "messages": messages,
        "temperature": 0,
        "max_tokens": 400 if way.closes else len(said),
        "stop": stop,
        "logits_processors": saying(said),
        **fields,
    }


def expected(name: str, answer: Answer, way: Way, stop: str | None) -> Expected:
    thought = "" if way.fields.get("include_reasoning") is False else THOUGHT
    if not way.closes:
        return Expected(thought, "", None, "length")
    content, arguments = answer.content, ARGUMENTS if answer.called else None
    free = answer.free and name in ASSUMED and not (way.begins or way.prompt or way.prefill)
    if free and not way.thinks:  # no marker: reasoning that was cut off
        return Expected(content + (CALLS[name][1] if answer.called else ""), "", None, "stop")
    finish, reason = answer.finish, None
    if stop == answer.stop:
        finish, reason = "stop", stop
        if stop in content:
            content, arguments = content[: content.index(stop)], None
        elif arguments is not None:
            arguments = arguments[: arguments.index(stop)]
    return Expected(thought if way.thinks else "", content, arguments, finish, reason)


def message_of(choice: dict[str, Any]) -> Expected:
    message = choice["message"]
    calls = message.get("tool_calls") or []
    assert len(calls) <= 1
    assert all(call["function"]["name"] == "f" for call in calls)
    arguments = calls[0]["function"]["arguments"] if calls else None
    reasoning, content = message["reasoning"] or "", message["content"] or ""
    return Expected(reasoning, content, arguments, choice["finish_reason"], choice["stop_reason"])


def message_of_stream(text: str) -> Expected:
    seen = Expected("", "", None, "")
    for line in text.splitlines():
        if not line.startswith("data: {"):
            continue
        choice = json.loads(line[6:])["choices"][0]
        delta = choice["delta"]
        seen.reasoning += delta.get("reasoning") or ""
        seen.content += delta.get("content") or ""
        for call in delta.get("tool_calls") or ():
            assert call["index"] == 0
            seen.arguments = (seen.arguments or "") + (call["function"].get("arguments") or "")
        if choice["finish_reason"]:
            seen.finish, seen.stop_reason = choice["finish_reason"], choice["stop_reason"]
    return seen


async def ask(client: httpx.AsyncClient, request: dict[str, Any]) -> Expected:
    reply = await client.post("/v1/chat/completions", json=request)
    assert reply.status_code == 200, reply.text
    return message_of_stream(reply.text) if request.get("stream") else message_of(reply.json()["choices"][0])


async def one(
    client: httpx.AsyncClient, limit: asyncio.Semaphore, name: str, key: str, way: str, stop: str | None
) -> str:
    async with limit:
        request = body(name, ANSWERS[key], WAYS[way], stop)
        want = expected(name, ANSWERS[key], WAYS[way], stop)
        whole, streamed = await ask(client, request), await ask(client, {**request, "stream": True})
    problems = [f"{label}: {seen}" for label, seen in (("whole", whole), ("streamed", streamed)) if seen != want]
    if whole.arguments is not None and whole.finish == "tool_calls":
        json.loads(whole.arguments)
    return f"{name}, {key}, {way}, stop {stop!r}: wanted {want}, " + "; ".join(problems) if problems else ""


def check(server: RunningServer, cases: list[tuple[str, str, str, str | None]]) -> None:
    async def run() -> list[str]:
        limit = asyncio.Semaphore(16)
        async with httpx.AsyncClient(base_url=server.url, timeout=120) as client:
            return await asyncio.gather(*(one(client, limit, *case) for case in cases))

    wrong = [text for text in asyncio.run(run()) if text]
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)


def cases_of(name: str) -> list[tuple[str, str, str, str | None]]:
    return [
        (name, key, way, stop)
        for key, way in itertools.product(ANSWERS, WAYS)
        for stop in (None, STOP, ANSWERS[key].stop)
    ]


@pytest.mark.parametrize("name", MARKERS)
def test_some_of_all_combinations(server: RunningServer, name: str) -> None:
    """Others for each parser; together they are all of them once."""
    check(server, cases_of(name)[list(MARKERS).index(name) :: len(MARKERS) + 1])


@pytest.mark.parametrize("name", MARKERS)
def test_no_end_before_a_demanded_answer(server: RunningServer, name: str) -> None:
    """A model that would end inside its reasoning, and one that says something else than what is demanded."""
    with httpx.Client(base_url=server.url, timeout=120) as client:
        for key, stream in (("json_schema", False), ("choice", True), ("required", True), ("named", False)):
            ends = body(name, ANSWERS[key], WAYS["never closes"], None)
            ends["logits_processors"] = saying([*ids(MARKERS[name][0] + "hm"), END_OF_TURN])
            ends |= {"max_tokens": 40, "stream": stream}
            reply = client.post("/v1/chat/completions", json=ends)
            seen = message_of_stream(reply.text) if stream else message_of(reply.json()["choices"][0])
            assert (seen.finish, seen.content, seen.arguments) == ("length", "", None)
            assert seen.reasoning.startswith("hm")

            other = {**ends, "chat_template_kwargs": {"enable_thinking": False}, "parallel_tool_calls": False}
            other["max_tokens"] = 200
            other["logits_processors"] = saying([*ids("Hello! "), END_OF_TURN])
            reply = client.post("/v1/chat/completions", json=other)
            seen = message_of_stream(reply.text) if stream else message_of(reply.json()["choices"][0])
            assert seen.reasoning == ""
            if key == "choice":
                assert seen.content in ("yes", "no way")
            elif key == "json_schema":
                assert json.loads(seen.content)["x"] in ("a", "b")
            else:
                assert seen.content == ""
                assert seen.arguments is not None
                assert seen.finish == "length" or isinstance(json.loads(seen.arguments)["city"], str)


def test_a_tool_that_is_not_allowed_is_not_called(server: RunningServer) -> None:
    """The model would call g, which the request brings and does not allow."""
    both = [*tools(), {"type": "function", "function": {"name": "g", "parameters": CITY}}]
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}}
    with httpx.Client(base_url=server.url, timeout=120) as client:
        for name, (_, call) in CALLS.items():
            request = body(name, ANSWERS["auto"], WAYS["thinks"], None) | {"tools": both, "max_tokens": 100}
            said = "".join([MARKERS[name][0], "hm", MARKERS[name][1], "Sure. ", call])
            for script in (said, CALLED.sub("g", said)):
                request["logits_processors"] = saying([*ids(script), END_OF_TURN])
                reply = client.post("/v1/chat/completions", json=request)
                called = {c["function"]["name"] for c in reply.json()["choices"][0]["message"].get("tool_calls") or ()}
                assert called == ({"f"} if script == said else {"g"})
                reply = client.post("/v1/chat/completions", json={**request, "tool_choice": allowed})
                message = reply.json()["choices"][0]["message"]
                assert {c["function"]["name"] for c in message.get("tool_calls") or ()} <= {"f"}, message


@pytest.mark.slow
@pytest.mark.parametrize("name", MARKERS)
def test_all_combinations(server: RunningServer, name: str) -> None:
    check(server, cases_of(name))
