"""Outputs held to JSON Schemas: what a random model says, with a sampler that likes to close, is valid."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.interfaces import Constraint
from frameworkctl.params import Grammar, SamplingParams
from frameworkctl.structured.plugin import prepare
from frameworkctl.testing import InProcessEngine
from jsonschema import Draft202012Validator
from support.checkpoints.tiny import VOCAB
from support.plugged.schemas import HAND, generate
from tokenizers import Tokenizer

MAX_TOKENS = 400
CLOSING, BLANK = set('"}]'), set(" \n\r\t")


def biases(tokenizer: Tokenizer) -> dict[int, float]:
    """Tokens that close are likely, blanks are not."""
    out = {}
    for token in range(VOCAB):
        text = tokenizer.decode([token])
        if text and set(text) <= CLOSING:
            out[token] = 12.0
        elif text and set(text) <= BLANK:
            out[token] = -12.0
    return {**out, 2: 12.0}


def outputs(folder: Path, schemas: Sequence[Any], **options: Any) -> list[tuple[str, bool]]:
    """What is said to each schema, and whether it came to its end."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    engine = InProcessEngine(folder, max_num_seqs=64, max_model_len=MAX_TOKENS + 50, **options)
    prompt = tokenizer.encode("the quick brown fox").ids
    params = [
        SamplingParams(
            max_tokens=MAX_TOKENS,
            seed=i,
            logit_bias=biases(tokenizer),
            eos_token_ids=(2,),
            grammar=Grammar(prepare(Constraint(kind="json", value=schema)).text, "json"),
        )
        for i, schema in enumerate(schemas)
    ]
    found = engine.generate([prompt] * len(schemas), params)
    return [(tokenizer.decode(ids[:-1] if ids[-1] == 2 else ids), ids[-1] == 2) for ids in found]


def check(folder: Path, schemas: Sequence[Any]) -> None:
    said = outputs(folder, schemas)
    complete = [(schema, text) for schema, (text, ended) in zip(schemas, said, strict=True) if ended]
    for schema, text in complete:
        validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        errors = list(validator.iter_errors(json.loads(text)))
        assert not errors, f"{json.dumps(schema)} got {text}: {errors[0].message}"
    open_ends = [(schema, text[-60:]) for schema, (text, ended) in zip(schemas, said, strict=True) if not ended]
    assert len(complete) >= 0.95 * len(schemas), open_ends


def test_schemas_by_hand(checkpoints: dict[str, Path]) -> None:
    check(checkpoints["llama"], HAND)


def test_generated_schemas(checkpoints: dict[str, Path]) -> None:
    check(checkpoints["llama"], generate(50))


@pytest.mark.slow
def test_two_hundred_generated_schemas(checkpoints: dict[str, Path]) -> None:
    schemas = generate(200, seed=1)
    assert len({json.dumps(s) for s in schemas}) > 150
    check(checkpoints["llama"], schemas)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"not": {"type": "integer"}}, "not"),
        ({"if": {"type": "integer"}, "then": {"minimum": 3}}, "then"),
        ({"type": "array", "contains": {"const": 1}}, "contains"),
        ({"type": "object", "propertyNames": {"maxLength": 2}}, "propertyNames"),
        ({"type": "object", "dependentRequired": {"a": ["b"]}}, "dependentRequired"),
        ({"type": "string", "format": "no-such-format"}, "no-such-format"),
        ({"type": "objekt"}, "objekt"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf"),
        ({"$ref": "https://example.com/schema"}, "example.com"),
        ({"$ref": "#/$defs/missing"}, "missing"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-ahead"),
        ({"type": "integer", "minimum": 5, "maximum": 3}, "minimum"),
        ({"enum": []}, "Unsatisfiable"),
        (False, "false"),
        ("{not json", "not valid JSON"),
        ("5", "object"),
        ('{"a":' * 30_000 + "1" + "}" * 30_000, "deeper than 64"),
        ({"type": "string", "pattern": "((a{1,99}){1,99}){1,99}"}, "repeats too much"),
        ({"type": "object", "properties": {f"p{i}": {} for i in range(1001)}}, "too many properties"),
        ({"enum": ["x" * 1000] * 300}, "larger than"),
    ],
    ids=lambda value: str(value)[:30] if not isinstance(value, str) else None,
)
def test_what_cannot_be_held_is_refused_by_name(schema: Any, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)) as caught:
        prepare(Constraint(kind="json", value=schema, strict=True))
    assert len(str(caught.value)) < 700


def test_how_json_is_written(checkpoints: dict[str, Path]) -> None:
    """Compact, with a pattern for blanks, and without other properties."""
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}}, "required": ["a"]}
    engine = InProcessEngine(checkpoints["llama"])
    tokenizer = Tokenizer.from_file(str(checkpoints["llama"] / "tokenizer.json"))

    def accepts(text: str, **options: Any) -> bool:
        matcher = engine.compiler.compile(prepare(Constraint(kind="json", value=schema, **options)).text)
        return all(matcher.accept(i) for i in tokenizer.encode(text).ids) and matcher.may_end

    assert accepts('{ "a" : [1,\n 2] }')
    assert accepts('{\n        "a": [\r\n\t1]}')
    assert not accepts('{         "a":[1]}')
    assert not accepts('{\n\n"a":[1]}')
    assert accepts("{\n\n" + " " * 99 + '"a":[1]}', max_whitespace=-1)
    assert accepts('{\n   "a":   [1]}', max_whitespace=3)
    assert not accepts('{"a":    [1]}', max_whitespace=3)
    assert not accepts('{"a": [1]}', max_whitespace=0)
    assert accepts('{"a":[1,2]}', any_whitespace=False)
    assert not accepts('{"a": [1,2]}', any_whitespace=False)
    assert accepts('{"a":_[1]}', whitespace_pattern="_")
    assert not accepts('{"a": [1]}', whitespace_pattern="_")
    assert accepts('{"a":[1],"b":2}')
    assert not accepts('{"a":[1],"b":2}', additional_properties=False)
