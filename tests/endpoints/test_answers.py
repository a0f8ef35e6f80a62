"""Reasoning and calls of one output together, and the schemas that demanded calls are held to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jsonschema
import pytest
from frameworkctl.interfaces import FunctionTool, ReasoningContext
from frameworkctl_endpoints.chat.answer import Answer, Said
from frameworkctl_endpoints.chat.call_constraints import forced_call, forced_calls, strict_calls
from frameworkctl_endpoints.parsing.forced_calls import ListParser, NamedParser
from frameworkctl_endpoints.reasoning_parsers.qwen3 import Qwen3Parser
from frameworkctl_endpoints.tool_parsers.json_calls.hermes import HermesParser
from frameworkctl_endpoints.tool_parsers.tagged_calls.kimi_k2 import KimiParser

TEXT = '<think>I call "it"</think>\n\nOk: <tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>\n' + (
    '<tool_call>{"name": "g", "arguments": {"b": [2]}}</tool_call>'
)


class NoParser:
    """Of a served model, what constraints look at."""

    tool_parser = None


def whole(answer: Answer, pieces: list[str]) -> dict[str, Any]:
    """All that is said, joined as a client joins deltas."""
    parts: list[Said] = [answer.feed(p, last=i == len(pieces) - 1) for i, p in enumerate(pieces)]
    calls: dict[int, list[str]] = {}
    for call in (c for part in parts for c in part.calls):
        if call.id is not None:
            assert call.index not in calls
            calls[call.index] = [call.function.name or "", ""]
        calls[call.index][1] += call.function.arguments or ""
    return {
        "reasoning": "".join(p.reasoning for p in parts),
        "content": "".join(p.content for p in parts),
        "calls": list(calls.values()),
    }


@pytest.mark.parametrize("cut", range(0, len(TEXT), 3))
def test_reasoning_then_content_then_calls(cut: int) -> None:
    answer = Answer(Qwen3Parser(ReasoningContext()), HermesParser([]))
    assert whole(answer, [TEXT[:cut], TEXT[cut:]]) == {
        "reasoning": 'I call "it"',
        "content": "\n\nOk: ",
        "calls": [["f", '{"a": 1}'], ["g", '{"b": [2]}']],
    }


def test_one_call_and_no_reasoning_where_that_is_asked_for() -> None:
    answer = Answer(Qwen3Parser(ReasoningContext()), HermesParser([]), parallel=False, show_reasoning=False)
    said = whole(answer, list(TEXT))
    assert said == {"reasoning": "", "content": "\n\nOk: ", "calls": [["f", '{"a": 1}']]}


def test_ids_are_the_models_unless_it_writes_one_twice() -> None:
    call = "<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{}<|tool_call_end|>"
    said = Answer(None, KimiParser([])).feed(call + call, last=True)
    assert said.calls[0].id == "functions.f:0"
    assert said.calls[1].id not in (None, "functions.f:0")


@pytest.mark.parametrize(
    ("earlier", "written", "ids"),
    [
        ((), (0, 1), (0, 1)),
        ((), (0, 0), (0, 1)),
        (("functions.f:0", "functions.g:1"), (2, 3), (2, 3)),
        (("functions.f:0", "functions.g:1"), (0, 1), (2, 3)),
        (("functions.g:0", "call_x"), (0, 0), (2, 3)),
        (("call_x",), (4, 4), (4, 2)),
        (("call_x",), (2, 2), (2, 3)),
    ],
)
def test_numbers_of_kimi_go_on_through_the_conversation(
    earlier: Sequence[str], written: Sequence[int], ids: Sequence[int]
) -> None:
    call = "<|tool_call_begin|>functions.f:%d<|tool_call_argument_begin|>{}<|tool_call_end|>"
    said = Answer(None, KimiParser([]), earlier_ids=earlier).feed("".join(call % n for n in written), last=True)
    assert [c.id for c in said.calls] == [f"functions.f:{n}" for n in ids]


@pytest.mark.parametrize("step", [1, 2, 7, 500])
@pytest.mark.parametrize("end", ["]", "  ]", "\n ]\n", ""])
def test_demanded_calls_in_json(step: int, end: str) -> None:
    text = '[{"name": "f", "parameters": {"a": "]"}}, {"name": "g", "parameters": {}}' + end
    pieces = [text[i : i + step] for i in range(0, len(text), step)]
    said = whole(Answer(None, ListParser()), pieces)
    assert said["calls"] == [["f", '{"a": "]"}'], ["g", "{}"]]
    assert said["content"] == ""
    assert whole(Answer(None, NamedParser("f")), pieces)["calls"] == [["f", text]]


def test_schemas_of_demanded_calls_keep_their_references() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#"}, "at": {"$ref": "#/$defs/at"}}, "required": ["at"]}
    tools = [
        FunctionTool(name="walk", parameters={**node, "$defs": {"at": {"type": "integer"}}}),
        FunctionTool(name="talk", parameters={**node, "$defs": {"at": {"type": "string"}}}),
        FunctionTool(name="now"),
    ]
    model: Any = NoParser()
    schema = forced_calls(tools, model, parallel=True).value
    good = [
        [{"name": "walk", "parameters": {"at": 1, "next": {"at": 2}}}],
        [{"name": "talk", "parameters": {"at": "x"}}, {"name": "now", "parameters": {}}],
    ]
    bad: list[Any] = [
        [],
        [{"name": "walk", "parameters": {"at": "x"}}],
        [{"name": "talk", "parameters": {"at": "x", "next": {"at": 1}}}],
        [{"name": "now", "parameters": {"a": 1}}],
        [{"name": "run", "parameters": {}}],
    ]
    assert all(jsonschema.Draft202012Validator(schema).is_valid(value) for value in good)
    assert not any(jsonschema.Draft202012Validator(schema).is_valid(value) for value in bad)
    assert not jsonschema.Draft202012Validator(forced_calls(tools, model, parallel=False).value).is_valid(good[1])
    assert forced_call(tools[2], model).value["additionalProperties"] is False
    assert strict_calls(tools, model, parallel=True) is None
