"""Calls that are held to their schemas in each format: what may be said, and that whatever is said can be read."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import jsonschema
import numpy as np
import pytest
from frameworkctl.interfaces import CallArguments, CallBegin, Constraint, ContentText, FunctionTool, ToolParserSpec
from frameworkctl.structured.plugin import prepare
from frameworkctl_endpoints.chat.call_constraints import forced_call, forced_calls, strict_calls
from frameworkctl_endpoints.tool_parsers.json_calls import hermes
from frameworkctl_endpoints.tool_parsers.python_calls import llama4_pythonic, pythonic
from frameworkctl_endpoints.tool_parsers.tagged_calls import glm45, kimi_k2, qwen3_coder
from llguidance import LLMatcher, LLTokenizer
from support.checkpoints.tiny import build_tokenizer
from tokenizers import AddedToken

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "code": {"type": "string", "minLength": 2, "maxLength": 3},
        "zip": {"type": "string", "pattern": "^\\d{3}$"},
        "unit": {"$ref": "#/$defs/unit"},
        "days": {"type": "integer"},
        "detail": {"type": "boolean"},
        "place": {"$ref": "#/$defs/place"},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
    },
    "required": ["city", "days"],
    "additionalProperties": False,
    "$defs": {
        "unit": {"enum": ["C", "F"]},
        "place": {
            "type": "object",
            "properties": {"x": {"type": "integer"}},
            "required": ["x"],
            "additionalProperties": False,
        },
    },
}
WEATHER = FunctionTool(name="get_weather", parameters=SCHEMA, strict=True)
NOW = FunctionTool(name="now", strict=True)
LOOSE = FunctionTool(name="search", parameters={"type": "object", "properties": {"q": {"type": "integer"}}})
TOOLS = (WEATHER, NOW, LOOSE)
MODULES = {m.__name__.rpartition(".")[2]: m for m in (glm45, hermes, kimi_k2, llama4_pythonic, pythonic, qwen3_coder)}
ADDED = (
    "<tool_call>",
    "</tool_call>",
    "<|tool_calls_section_begin|>",
    "<|tool_calls_section_end|>",
    "<|tool_call_begin|>",
    "<|tool_call_argument_begin|>",
    "<|tool_call_end|>",
    "<|python_start|>",
    "<|python_end|>",
)

QWEN = "<tool_call>\n<function=get_weather>\n<parameter=city>\nSão\nPaulo\n</parameter>\n%s</function>\n</tool_call>"
GLM = "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n%s</tool_call>"
DAYS = {
    "qwen3_coder": "<parameter=days>\n%s\n</parameter>\n",
    "glm45": "<arg_key>days</arg_key>\n<arg_value>%s</arg_value>\n",
}
GOOD: dict[str, list[str]] = {
    "hermes": ['Hm. <tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo", "days": 3}}\n</tool_call>'],
    "qwen3_coder": [
        "Hm. " + QWEN % (DAYS["qwen3_coder"] % 3),
        "a < b, {x}",
        "<tool_call>\n<function=now>\n</function>\n</tool_call>",
        "<tool_call>\n<function=search>\n<parameter=any>\n[1\n</parameter>\n</function>\n</tool_call> there",
    ],
    "glm45": [GLM % (DAYS["glm45"] % "-2"), "<tool_call>now\n</tool_call>"],
    "pythonic": [
        '[get_weather(city="Oslo", days=3)]',
        "[see](here)",
        ' [get_weather(city="a\\"b", unit="C", days=1, detail=True, place={"x": 1}), now()]',
        "x[get_weather(1)]",
        "[search(a=[1], b={})]",
    ],
    "llama4_pythonic": ['<|python_start|>[get_weather(city="Oslo", days=3)]<|python_end|>', "[now()]", "plain"],
    "kimi_k2": [
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.now:0<|tool_call_argument_begin|>{}"
        "<|tool_call_end|><|tool_calls_section_end|>"
    ],
}
BAD: dict[str, list[str]] = {  # all of it but for what comes last could be said
    "hermes": ['<tool_call>\n{"name": "get_weather", "arguments": {"city": 5'],
    "qwen3_coder": [QWEN % "", QWEN % (DAYS["qwen3_coder"] % "three"), QWEN % "<parameter=other>\n", "<function=now"],
    "glm45": [GLM % "", GLM % (DAYS["glm45"] % "soon")],
    "pythonic": ["[get_weather(days=1", '[get_weather(city="Oslo")', "[get_weather(city=5", "[now(x=1"],
    "llama4_pythonic": ["<|python_start|>[get_weather(days=1", "[get_weather(5"],
    "kimi_k2": ['<|tool_calls_section_begin|><|tool_call_begin|>functions.now:0<|tool_call_argument_begin|>{"a'],
}
CLOSERS = ("\n</parameter>\n", "</arg_value>\n", '"', ")", "]", "}", "</function>", "</tool_call>")


class Model:
    """Of a served model, what constraints look at: a tokenizer of bytes with or without the markers as tokens."""

    def __init__(self, spec: ToolParserSpec, markers: str) -> None:
        inner = build_tokenizer()
        if markers != "text":
            inner.add_tokens([AddedToken(t, special=markers == "special", normalized=False) for t in ADDED])
        self.tool_parser, self.tokenizer, self.inner = spec, inner, inner
        self.ll = LLTokenizer(inner.to_str(), eos_token=[2])
        self.marked = markers != "text"

    def matcher(self, constraint: Constraint | None) -> LLMatcher:
        assert constraint is not None
        return LLMatcher(self.ll, prepare(constraint).text, log_level=0)

    def said(self, ids: Sequence[int]) -> str:
        text: str = self.inner.decode(ids, skip_special_tokens=False)
        return text

    def parsed(self, text: str, tools: Sequence[FunctionTool] = TOOLS) -> tuple[str, list[tuple[str, str]]]:
        """Content, and calls with their arguments."""
        parser = self.tool_parser.parser(tools)
        content, calls = "", list[tuple[str, str]]()
        for event in (*parser.feed(text), *parser.finish()):
            match event:
                case ContentText(text=more):
                    content += more
                case CallBegin(name=name):
                    calls.append((name, ""))
                case CallArguments(text=more):
                    calls[-1] = (calls[-1][0], calls[-1][1] + more)
        return content, calls


def model_of(name: str, markers: str) -> Any:
    specs: list[ToolParserSpec] = []
    MODULES[name].register_tool_parsers(specs.append)
    return Model(specs[0], markers)


@pytest.mark.parametrize("markers", ["special", "plain", "text"])
@pytest.mark.parametrize("name", GOOD)
def test_what_may_be_said(name: str, markers: str) -> None:
    model = model_of(name, markers)
    for text in GOOD[name]:
        if "<|" in text and not model.marked and model.tool_parser.name == "llama4_pythonic":
            continue  # without the token, only lists that begin an output are told from text
        matcher = model.matcher(strict_calls(TOOLS, model, parallel=True))
        ids = model.inner.encode(text, add_special_tokens=False).ids
        taken = matcher.validate_tokens(ids)
        assert taken == len(ids), (text, model.said(ids[:taken]))
        assert matcher.consume_tokens(ids)
        assert matcher.is_accepting(), text
        for called, arguments in model.parsed(text)[1]:
            schema = next(t.parameters for t in TOOLS if t.name == called) if called != "now" else {"maxProperties": 0}
            jsonschema.validate(json.loads(arguments), {} if called == "search" else schema)


@pytest.mark.parametrize("markers", ["special", "plain", "text"])
@pytest.mark.parametrize("name", BAD)
def test_what_may_not_be_said(name: str, markers: str) -> None:
    model = model_of(name, markers)
    for text in BAD[name]:
        if not model.marked and ("<|python" in text or text.startswith("<function")):
            continue
        matcher = model.matcher(strict_calls(TOOLS, model, parallel=True))
        ids = model.inner.encode(text, add_special_tokens=False).ids
        assert matcher.validate_tokens(ids) < len(ids), text


def walk(model: Any, constraint: Constraint | None, rng: random.Random, start: str = "", longest: int = 300) -> str:
    """What a model says that chooses any token that may come, and prefers to end and to close."""
    matcher = model.matcher(constraint)
    ids: list[int] = list(model.inner.encode(start, add_special_tokens=False).ids)
    assert matcher.consume_tokens(ids), (start, matcher.get_error())
    closers = [model.inner.encode(text, add_special_tokens=False).ids for text in CLOSERS]
    while len(ids) < longest and not matcher.is_stopped():
        if matcher.is_accepting() and rng.random() < 0.3:
            break
        fitting = [c for c in closers if matcher.validate_tokens(c) == len(c)]
        bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
        allowed = [[i] for i in np.flatnonzero(bits[: model.ll.vocab_size]).tolist() if i != 2]
        if not allowed:
            break
        chosen = rng.choice(fitting if fitting and rng.random() < 0.5 else allowed)
        assert matcher.consume_tokens(chosen)
        ids += chosen
    return model.said(ids) if matcher.is_accepting() else ""


@pytest.mark.parametrize("name", GOOD)
def test_demanded_calls_are_valid_whatever_is_said(name: str) -> None:
    """From random choices of tokens: every output that comes to its end is one call that the schema allows."""
    model, rng, ended = model_of(name, "special"), random.Random(name), 0
    for _ in range(12):
        text = walk(model, forced_call(WEATHER, model), rng)
        content, calls = model.parsed(text)
        if not text:
            continue
        ended += 1
        assert [called for called, _ in calls] == ["get_weather"], text
        assert not content.strip(), text
        jsonschema.validate(json.loads(calls[0][1]), SCHEMA)
    assert ended >= 6


@pytest.mark.parametrize("name", ["qwen3_coder", "glm45", "pythonic", "llama4_pythonic"])
def test_a_call_once_begun_is_valid(name: str) -> None:
    model, rng, ended = model_of(name, "plain"), random.Random(name), 0
    begun = {
        "qwen3_coder": "ok <tool_call>",
        "glm45": "ok <tool_call>get",
        "pythonic": " [get_weather(",
        "llama4_pythonic": "<|python_start|>",
    }[name]
    for _ in range(12):
        text = walk(model, strict_calls((WEATHER, NOW), model, parallel=True), rng, begun)
        if not text:
            continue
        ended += 1
        _, calls = model.parsed(text, (WEATHER, NOW))
        assert calls, text
        for called, arguments in calls:
            jsonschema.validate(json.loads(arguments), SCHEMA if called == "get_weather" else {"maxProperties": 0})
    assert ended >= 6


def test_names_that_no_format_can_write_are_left_to_json() -> None:
    odd = FunctionTool(name="f", parameters={"properties": {"a b": {"type": "string"}}}, strict=True)
    model = model_of("qwen3_coder", "special")
    assert forced_calls([odd], model, parallel=True).kind == "json"
    assert strict_calls([odd], model, parallel=True) is None
