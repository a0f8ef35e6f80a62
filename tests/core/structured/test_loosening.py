"""Schemas as libraries write them: what is held, what is loosened and named, and what is refused, in whose words.

The oracle for documents is jsonschema: a loosened schema takes every document that the schema takes.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import pytest
from frameworkctl.interfaces import Constraint, ConstraintError, SchemaPart
from frameworkctl.structured.grammars import schema_grammar
from frameworkctl.structured.json_schema.loosening import Loosening
from frameworkctl.structured.plugin import prepare
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft202012Validator
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

S, N = {"type": "string"}, {"type": "integer"}
INTERNAL = re.compile(
    r"coerce|Bias|x-guidance|lenient|whitespace_|verbose|llguidance|Unimplemented|lexer|WordUnicode|Some\("
)
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/n", "description": "the next"}}}


def problem(schema: Any) -> str:
    return str(LLMatcher.validate_grammar(schema_grammar(schema)))


def loosened(schema: Any, *, strict: bool = False) -> Loosening:
    return Loosening(deepcopy(schema), problem, strict=strict)


class Bytes:
    """A tokenizer of 256 bytes and an end token."""

    eos_token_id, bos_token_id, special_token_ids = 256, None, [256]
    tokens = [*(bytes([i]) for i in range(256)), b"<end>"]

    def __call__(self, text: bytes | str) -> list[int]:
        return list(text if isinstance(text, bytes) else text.encode())


@pytest.fixture(scope="module")
def tokenizer() -> LLTokenizer:
    return LLTokenizer(TokenizerWrapper(Bytes()))


def takes(tokenizer: LLTokenizer, schema: Any, document: Any) -> bool:
    matcher = LLMatcher(tokenizer, prepare(Constraint(kind="json", value=schema)).text, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    return all(matcher.consume_token(b) for b in json.dumps(document).encode()) and bool(matcher.is_accepting())


HELD = (  # schema, documents that fit, documents that do not
    (
        {"$schema": "zod", "$id": "thing", "type": "object", "properties": {"a": S}, "additionalProperties": False},
        [{"a": "x"}],
        [{"a": 1}, {"b": 1}],
    ),
    ({"type": "string", "format": "binary"}, ["x"], [1]),
    ({"type": "integer", "format": "int32"}, [5], ["x"]),
    ({"type": "array", "items": {"enum": [1]}, "uniqueItems": False, "maxItems": 2}, [[1, 1]], [[1, 1, 1]]),
    ({"type": "array", "contains": {"const": 1}, "minContains": 0, "items": N}, [[2]], [["x"]]),
    ({"type": "object", "unevaluatedProperties": True, "dependentRequired": {}, "not": False}, [{"a": 1}], [1]),
    ({"type": "object", "properties": {"a": S}, "unevaluatedProperties": False}, [{"a": "x"}], [{"b": 1}]),
    ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, [2], [1]),
    ({"type": "integer", "maximum": 5, "exclusiveMaximum": False}, [5], [6]),
    ({"type": "string", "minLength": 2.0, "maxLength": 3.0}, ["ab"], ["a", "abcd"]),
    ({"type": "string", "nullable": True}, ["x", None], [1]),
    ({"nullable": True, "allOf": [{"$ref": "#/definitions/s"}], "definitions": {"s": S}}, ["x", None], [1]),
    ({"type": "object", "properties": None, "required": None, "description": None}, [{}], [1]),
    (
        {"type": "object", "propertyNames": {"enum": ["r", "g"]}, "additionalProperties": N},
        [{"r": 1}, {}],
        [{"b": 1}, {"r": "x"}],
    ),
    (
        {"type": "object", "propertyNames": {"$ref": "#/$defs/c"}, "$defs": {"c": {"type": "string", "const": "r"}}},
        [{"r": 1}],
        [{"b": 1}],
    ),
    ({"type": "object", "propertyNames": {"pattern": "^x"}, "additionalProperties": N}, [{"xy": 1}], [{"y": 1}]),
    ({"$defs": {"n": NODE}, "$ref": "#/$defs/n"}, [{"next": {"next": {}}}], [{"next": 1}]),
    ({"type": "array", "items": [S, N], "additionalItems": False}, [["x", 1]], [["x", 1, 2], [1]]),
    (
        {
            "title": "T",
            "default": 5,
            "examples": [1],
            "readOnly": True,
            "x-order": 3,
            "discriminator": {"propertyName": "k"},
            "oneOf": [{"type": "object", "properties": {"k": {"const": c}}, "required": ["k"]} for c in "ab"],
        },
        [{"k": "a"}],
        [{"k": "c"}],
    ),
    ({"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}, ["aGk="], [1]),
)


@pytest.mark.parametrize(("schema", "fits", "others"), HELD, ids=lambda v: json.dumps(v)[:50])
def test_what_libraries_write_is_held(tokenizer: LLTokenizer, schema: Any, fits: list[Any], others: list[Any]) -> None:
    for strict in (False, *([] if "binary" in str(schema) else [True])):
        assert loosened(schema, strict=strict).named == []
    assert all(takes(tokenizer, schema, document) for document in fits)
    assert not any(takes(tokenizer, schema, document) for document in others)


LOOSENED = (  # schema, what is named, documents that fit the schema
    ({"type": "array", "items": N, "uniqueItems": True}, ["uniqueItems"], [[1, 2]]),
    ({"type": "string", "pattern": "^(?!x)[a-z]+$"}, ["pattern"], ["abc"]),
    ({"type": "string", "pattern": r"\bword\b"}, ["pattern"], ["a word"]),
    ({"type": "string", "pattern": r"(a)\1"}, ["pattern"], ["aa"]),
    ({"type": "string", "pattern": "[[]"}, ["pattern"], ["["]),
    (
        {"type": "object", "patternProperties": {"(?=a)": N}, "additionalProperties": False},
        ["patternProperties"],
        [{"ab": 1}],
    ),
    (
        {"type": "object", "patternProperties": {"^a": N, "b$": N}, "additionalProperties": False},
        ["patternProperties"],
        [{"ab": 1, "xb": 2}],
    ),
    (
        {"type": "object", "properties": {"a": {"anyOf": [{"not": {"const": 1}}, N]}}},
        ["properties.a.anyOf[0].not"],
        [{"a": 2}],
    ),
    ({"if": {"type": "integer"}, "then": {"minimum": 3}, "else": S}, ["if"], [5, "x"]),
    (
        {"type": "array", "prefixItems": [{"type": "array", "contains": N, "minContains": 2}]},
        ["prefixItems[0].contains", "prefixItems[0].minContains"],
        [[[1, "x", 2]]],
    ),
    ({"type": "object", "properties": {"a": S, "b": S}, "minProperties": 1}, ["minProperties"], [{"a": "x"}]),
    ({"type": "object", "dependentRequired": {"a": ["b"]}}, ["dependentRequired"], [{"a": 1, "b": 2}]),
    ({"allOf": [{"properties": {"a": S}}], "unevaluatedProperties": False}, ["unevaluatedProperties"], [{"a": "x"}]),
    ({"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}, ["minimum"], [5]),
    ({"type": "string", "maxLength": 10**18}, ["maxLength"], ["x"]),
    ({"type": "string", "maxLength": 10**30}, ["maxLength"], ["x"]),
    ({"oneOf": [S, {"type": "string", "maxLength": 3}]}, ["oneOf"], ["long text"]),
    ({"oneOf": [S, {"maxLength": 3}], "anyOf": [{"minLength": 2}]}, ["oneOf"], ["long text"]),
    (
        {"$defs": {"l": {"type": "array", "uniqueItems": True}}, "anyOf": [{"$ref": "#/$defs/l"}, S]},
        ["$defs.l.uniqueItems"],
        [[1], "x"],
    ),
    (
        {"type": "object", "properties": {"a": {"type": "string", "required": True}}},
        ["properties.a.required"],
        [{"a": "x"}],
    ),
)


@pytest.mark.parametrize(("schema", "names", "fits"), LOOSENED, ids=lambda v: json.dumps(v)[:50])
def test_what_cannot_be_held_is_loosened_and_named(
    tokenizer: LLTokenizer, schema: Any, names: list[str], fits: list[Any]
) -> None:
    assert loosened(schema).named == names
    assert all(takes(tokenizer, schema, document) for document in fits)
    with pytest.raises(ValueError, match=re.escape(names[0])) as caught:
        loosened(schema, strict=True)
    assert not INTERNAL.search(str(caught.value))


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "object", "properties": {"a": {"type": "objekt"}}}, "properties.a.type: 'objekt' is not one of"),
        ({"type": "object", "properties": {"a": 5}}, "properties.a: a schema is an object or a boolean"),
        ({"properties": {"a": {"type": "string", "pattern": "("}}}, "properties.a.pattern: the regular expression"),
        ({"type": "number", "multipleOf": 0}, "multipleOf: multipleOf must be greater than 0"),
        ({"$ref": "#"}, "$ref: no value fits"),
        ({"anyOf": [{"$ref": "#"}]}, "anyOf[0].$ref: no value fits"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "properties.a.$ref: no value fits"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "no value fits"),
        ({"type": "array", "items": {"$ref": "#"}, "minItems": 1}, "items.$ref: no value fits"),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}}, "there is no '#/$defs/b' in the schema"),
        ({"type": "string", "enum": [1]}, "Unsatisfiable"),
        ({"type": "string", "minLength": -1}, "minLength"),
    ],
)
def test_what_means_nothing_is_refused_by_its_path(schema: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        loosened(schema)
    assert not INTERNAL.search(str(caught.value))


def test_the_field_that_a_schema_came_from_is_named() -> None:
    parts = (
        SchemaPart(param="tools[0].function.parameters", schema={"uniqueItems": True}),
        SchemaPart(param="tools[2].function.parameters", schema={"properties": {"a": {"not": {}}}}, title="of 'b'"),
    )
    made = Constraint(kind="json", value={"anyOf": [{"uniqueItems": True}, {"not": {}}]}, parts=parts)
    names = ("tools[0].function.parameters.uniqueItems", "tools[2].function.parameters.properties.a.not")
    assert prepare(made).loosened == names
    strict = Constraint(
        kind="json", value={}, parts=(SchemaPart(param="p", schema={"not": {}}, strict=True, title="x"),)
    )
    with pytest.raises(ConstraintError, match=r"^p \(x\): not: the keyword not is not supported") as caught:
        prepare(strict)
    assert caught.value.param == "p"


def test_schemas_inside_grammars_and_tags_are_held_alike() -> None:
    """With the server's white space too, but not where their characters stand in a text."""
    lark = 'start: "%json {}" /%json [{]}/ // %json {}\n| %json {"uniqueItems": true}'
    made = prepare(Constraint(kind="grammar", value=lark, max_whitespace=3))
    assert made.text.count("%json {}") == 2
    assert "/%json [{]}/" in made.text
    assert "uniqueItems" not in made.text
    assert "{1,3}" in made.text
    assert made.loosened == ("structured_outputs.uniqueItems",)
    tag = {"triggers": ["<"], "structures": [{"begin": "<a>", "schema": {"not": {}}, "end": "<"}]}
    made = prepare(Constraint(kind="structural_tag", value=tag, max_whitespace=3))
    assert made.loosened == ("structured_outputs.not",)
    assert "{1,3}" in made.text


VALUES = st.recursive(
    st.sampled_from([None, True, 0, 1, 2, -1, 1.5, "", "a", "ab", "xb", "2020-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "ab"]), inner, max_size=3),
    max_leaves=5,
)
PLAIN = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "object", "array", ["string", "null"], ["object", "array"]]),
        "uniqueItems": st.booleans(),
        "pattern": st.sampled_from(["^a", "(?=a)b", r"\bx", "a{,2}"]),
        "format": st.sampled_from(["uuid", "binary"]),
        "minLength": st.integers(0, 2),
        "maxLength": st.integers(1, 3),
        "minimum": st.sampled_from([0, -(2**63)]),
        "minItems": st.integers(0, 2),
        "required": st.just(["a"]),
        "minProperties": st.integers(0, 2),
        "dependentRequired": st.sampled_from([{}, {"a": ["b"]}]),
        "minContains": st.integers(0, 2),
    },
)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    below = inner | st.booleans()
    some, named = (
        st.lists(below, min_size=1, max_size=2),
        st.dictionaries(st.sampled_from(["a", "b"]), below, max_size=2),
    )
    more = st.fixed_dictionaries(
        {},
        optional={
            "properties": named,
            "items": below,
            "prefixItems": some,
            "additionalProperties": below,
            "anyOf": some,
            "oneOf": some,
            "allOf": some,
            "not": below,
            "if": below,
            "then": below,
            "contains": below,
            "unevaluatedProperties": below,
            "unevaluatedItems": below,
            "dependentSchemas": named,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$", "(?=a)"]), below, max_size=2),
            "propertyNames": st.sampled_from([{"enum": ["a", "b"]}, {"pattern": "^a"}, {"maxLength": 1}, True]),
        },
    )
    return st.builds(lambda a, b: {**a, **b}, PLAIN, more)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(schema=st.recursive(PLAIN, nested, max_leaves=4), documents=st.lists(VALUES, min_size=8, max_size=8))
def test_a_loosened_schema_takes_every_document_that_the_schema_takes(schema: Any, documents: list[Any]) -> None:
    try:
        found = loosened(schema)
    except ValueError:
        return  # nothing fits it, or its parts cannot be combined: refused, not loosened
    before, after = Draft202012Validator(schema), Draft202012Validator(found.schema)
    for document in documents:
        if before.is_valid(document):
            assert after.is_valid(document), (schema, found.schema, document)
        elif not found.named:
            assert not after.is_valid(document), (schema, found.schema, document)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    bounds=st.fixed_dictionaries(
        {},
        optional={
            "minimum": st.integers(0, 3),
            "exclusiveMinimum": st.booleans(),
            "maximum": st.integers(2, 5),
            "exclusiveMaximum": st.booleans(),
        },
    ),
    number=st.integers(-1, 6),
)
def test_bounds_of_draft_4_mean_the_same(bounds: Any, number: int) -> None:
    assert Draft4Validator(bounds).is_valid(number) == Draft202012Validator(loosened(bounds).schema).is_valid(number)


FAR = st.one_of(st.integers(2**53 - 3, 2**53 + 9), st.integers(2**59, 2**64), st.just(2**63), st.integers(2**64, 2**70))


@given(
    keyword=st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]),
    bound=st.one_of(FAR, FAR.map(int.__neg__)),
    beside=st.integers(-2, 2),
    strict=st.booleans(),
)
@settings(deadline=None, max_examples=300)
def test_bounds_that_are_no_float_are_never_moved_outward(
    tokenizer: LLTokenizer, keyword: str, bound: int, beside: int, strict: bool
) -> None:
    """Strict: nothing else than what fits. Otherwise: at least what fits, and nothing else unless it is named."""
    schema = {"type": "integer", keyword: bound}
    document = bound + beside
    fits = Draft202012Validator(schema).is_valid(document)
    try:
        made = loosened(schema, strict=strict)
    except ValueError:
        assert strict
        return
    matcher = LLMatcher(tokenizer, schema_grammar(made.schema), log_level=0)
    taken = all(matcher.consume_token(b) for b in str(document).encode()) and bool(matcher.is_accepting())
    if strict:
        assert fits or not taken
    else:
        assert taken or not fits
        assert fits or made.named or not taken
