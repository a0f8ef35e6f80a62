"""JSON Schemas to hold outputs to: some by hand, for what schemas can say, and as many as wanted from a generator."""

from __future__ import annotations

import random
from typing import Any

NAMES = (
    "a",
    "name",
    "id",
    "größe",
    "名前",
    "x y",
    'quo"te',
    "back\\slash",
    "emoji😀",
    "snake_case",
    "kebab-case",
    "$ref!",
)
PATTERNS = ("^[a-z]{1,4}$", "^\\d{3}-\\d{2}$", "^(yes|no)$", "[A-F0-9]{2}", "^[^\\s]+$", "^v\\d+(\\.\\d+)?$", "é+")
FORMATS = ("date", "time", "date-time", "email", "uuid", "ipv4", "ipv6", "hostname", "uri", "duration")


def closed(**properties: Any) -> dict[str, Any]:
    """An object of exactly these."""
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


NODE = {
    "$defs": {"node": closed(v={"type": "integer", "minimum": 0, "maximum": 9},
                             next={"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]})},
    "$ref": "#/$defs/node",
}  # fmt: skip
HAND: tuple[Any, ...] = (
    {"type": "string"}, {"type": "integer"}, {"type": "number"}, {"type": "boolean"}, {"type": "null"},
    {"type": ["string", "null"]}, {"type": ["integer", "boolean", "null"]}, True, {},
    {"const": "x"}, {"const": 5}, {"const": None}, {"const": {"a": [1, "two"]}}, {"const": "quo\"te\\ünï😀"},
    {"enum": ["red", "green", "blue"]}, {"enum": [1, "1", None, True, [1], {"a": 1}]}, {"enum": ["ä", "日本", "😀"]},
    {"type": "string", "minLength": 3, "maxLength": 5}, {"type": "string", "maxLength": 0},
    {"type": "string", "minLength": 2}, {"type": "string", "pattern": "^[a-z]{2,3}$", "maxLength": 3},
    {"type": "integer", "minimum": -5, "maximum": 5}, {"type": "integer", "exclusiveMinimum": 99},
    {"type": "number", "minimum": 0, "exclusiveMaximum": 1}, {"type": "integer", "multipleOf": 7, "minimum": 1},
    {"type": "number", "multipleOf": 0.25, "minimum": 0, "maximum": 3},
    {"type": "array", "items": {"type": "integer"}}, {"type": "array", "maxItems": 0},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 4},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False, "minItems": 2},
    {"type": "array", "prefixItems": [{"const": 1}], "items": {"type": "null"}},
    {"type": "array", "items": {"type": "array", "items": {"enum": [0, 1]}, "minItems": 1}, "minItems": 1},
    {"type": "object"}, closed(), closed(a={"type": "integer"}, b={"type": "boolean"}),
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["b"]},
    {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "integer"}},
    {"type": "object", "patternProperties": {"^n_": {"type": "integer"}}, "additionalProperties": False},
    {"type": "object", "additionalProperties": {"type": "null"}, "minProperties": 1, "maxProperties": 2},
    closed(**{name: {"type": "boolean"} for name in NAMES}),
    {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 3}]},
    {"anyOf": [closed(kind={"const": "a"}, n={"type": "integer"}), closed(kind={"const": "b"}, s={"type": "null"})]},
    {"oneOf": [closed(t={"const": "x"}), closed(t={"const": "y"})]},
    {"allOf": [{"type": "integer"}, {"minimum": 3}, {"maximum": 30}]},
    {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
               {"properties": {"b": {"type": "null"}}, "required": ["b"]}]},
    NODE, closed(tree=NODE["$defs"]["node"] | {"properties": {"v": {"const": 1}}, "required": ["v"]}),
    {"definitions": {"c": {"enum": ["c", "f"]}}, "type": "array", "items": {"$ref": "#/definitions/c"}, "minItems": 1},
    closed(a=closed(b=closed(c=closed(d=closed(e={"type": "null"}))))),
    *({"type": "string", "pattern": p} for p in PATTERNS), *({"type": "string", "format": f} for f in FORMATS),
)  # fmt: skip


def generate(count: int, seed: int = 0) -> list[Any]:
    """Random schemas, the same ones for a seed."""
    rng = random.Random(seed)
    return [_schema(rng, 3) for _ in range(count)]


def _schema(rng: random.Random, depth: int) -> Any:
    kinds = ["string", "integer", "number", "boolean", "null", "enum", "const"]
    if depth:
        kinds += ["object"] * 5 + ["array"] * 3 + ["anyOf"] * 2
    kind = rng.choice(kinds)
    return globals()[f"_{kind.lower()}"](rng, depth)


def _string(rng: random.Random, depth: int) -> Any:
    low = rng.randint(0, 3)
    return rng.choice([
        {"type": "string"}, {"type": "string", "minLength": low, "maxLength": low + rng.randint(0, 6)},
        {"type": "string", "pattern": rng.choice(PATTERNS)}, {"type": "string", "format": rng.choice(FORMATS)},
    ])  # fmt: skip


def _integer(rng: random.Random, depth: int) -> Any:
    low = rng.randint(-100, 100)
    return rng.choice([{"type": "integer"}, {"type": "integer", "minimum": low, "maximum": low + rng.randint(0, 1000)}])


def _number(rng: random.Random, depth: int) -> Any:
    low = round(rng.uniform(-5, 5), 2)
    return rng.choice([{"type": "number"}, {"type": "number", "minimum": low, "maximum": low + rng.randint(1, 9)}])


def _boolean(rng: random.Random, depth: int) -> Any:
    return {"type": "boolean"}


def _null(rng: random.Random, depth: int) -> Any:
    return {"type": ["null", rng.choice(["string", "integer"])]}


def _enum(rng: random.Random, depth: int) -> Any:
    return {"enum": rng.sample([1, -2.5, "one", "two", "drei", "四", None, False, "😀", ""], rng.randint(1, 5))}


def _const(rng: random.Random, depth: int) -> Any:
    return {"const": rng.choice(["fixed", 42, None, [1, 2], {"k": "v"}, "ü"])}


def _object(rng: random.Random, depth: int) -> Any:
    names = rng.sample(NAMES, rng.randint(1, 4))
    return {
        "type": "object", "properties": {n: _schema(rng, depth - 1) for n in names},
        "required": [n for n in names if rng.random() < 0.7],
        "additionalProperties": rng.choice([False, False, False, _schema(rng, 0)]),
    }  # fmt: skip


def _array(rng: random.Random, depth: int) -> Any:
    low = rng.randint(0, 2)
    return {"type": "array", "items": _schema(rng, depth - 1), "minItems": low, "maxItems": low + rng.randint(0, 3)}


def _anyof(rng: random.Random, depth: int) -> Any:
    return {"anyOf": [_schema(rng, depth - 1) for _ in range(rng.randint(2, 3))]}
