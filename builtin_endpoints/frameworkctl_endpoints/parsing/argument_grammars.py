"""Grammars, in Lark, of arguments that models write in formats of their own: held to the tool's JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from frameworkctl.interfaces import FunctionTool

from .typed_values import DEEPEST, part_of, types_in, types_of

ANY = r"(.|\n)"
MAX_LENGTH = 4096  # characters; larger bounds of texts are not held, the context is the smaller one
_KEY = re.compile(r"[^<>\s\"']+")
_PYTHON_STRING = r'/"([^"\\\x00-\x1f]|\\["\\nrt])*"/'


def can_write(tool: FunctionTool) -> bool:
    """Return whether the names of its arguments can stand in these formats."""
    return all(_KEY.fullmatch(key) for key in _properties(tool))


def tagged(tool: FunctionTool, begin: Callable[[str], str], end: str, after: str, texts_without: Sequence[str]) -> str:
    """Arguments between ``begin(key)`` and ``end``, strings as they are, others as JSON; ``after`` follows each.

    Strings have none of ``texts_without``, with which a reader would take them to end. A tool without a schema takes
    any arguments.
    """
    values = _TaggedValues(tool, end, texts_without)
    if not _properties(tool) and _open(tool):
        name = _quoted(begin("\0")).replace("\\u0000", '" /[^<>\\s]+/ "')
        return "\n".join([f"start: ({name} ANY_END {_quoted(after)})*", *values.terminals])
    rules, parts = [], []
    for i, (key, schema) in enumerate(_properties(tool).items()):
        rules.append(f"p{i}: {_quoted(begin(key))} ({' | '.join(values.ways(schema))}) {_quoted(after)}")
        parts.append(f"p{i}" if key in _required(tool) else f"p{i}?")
    return "\n".join([f"start: {' '.join(parts) or _NOTHING}", *rules, *values.terminals])


class _TaggedValues:
    """Expressions for values up to and with the text that ends them."""

    def __init__(self, tool: FunctionTool, end: str, texts_without: Sequence[str]) -> None:
        self.tool, self.end = tool, _quoted(end)
        self.forbidden = f"~/{ANY}*({'|'.join(map(_escaped, texts_without))}){ANY}*/"
        self.terminals = [f"ANY: /{ANY}*/ & {self.forbidden}", f"ANY_END: ANY {self.end}"]

    def ways(self, schema: Any, depth: int = 0) -> list[str]:
        if not isinstance(schema, Mapping) or depth > DEEPEST:
            return ["ANY_END"]
        if isinstance(schema.get("$ref"), str):
            return self.ways(part_of(self.tool.parameters, schema["$ref"]), depth + 1)
        several = schema.get("anyOf") or schema.get("oneOf")
        if isinstance(several, list):
            return [way for each in several for way in self.ways(each, depth + 1)]
        types = types_in(schema, self.tool)
        if types and "string" not in types:
            return [f"{_json(self.tool, schema)} {self.end}"]
        if (choices := _choices(schema)) is not None:
            return [f"({' | '.join(map(_quoted, choices))}) {self.end}"]
        shape = _shape(schema)
        if shape is None or types - {"string"}:
            return ["ANY_END"]
        name = f"T{len(self.terminals)}"
        self.terminals.append(f"{name}: /{shape}/ & {self.forbidden}\n{name}_END: {name} {self.end}")
        return [f"{name}_END"]


def keywords(tool: FunctionTool) -> str:
    """Arguments as Python writes them, ``a=1, b="x"``."""
    if not _properties(tool) and _open(tool):
        return f'start: (any (", " any)*)?\nany: /[A-Za-z_][A-Za-z0-9_]*/ "=" {_json(tool, {})}'
    rules, tails, starts = [], [""], []
    members = list(_properties(tool).items())
    required = [key in _required(tool) for key, _ in members]
    for i, (key, schema) in enumerate(members):
        rules.append(f"p{i}: {_quoted(key + '=')} {_python(tool, key, schema)}")
    for i in reversed(range(len(members))):
        starts.append(f"p{i} {tails[-1]}")
        tails.append((f'", " p{i} ' if required[i] else f'(", " p{i})? ') + tails[-1])
    first = next((i for i, needed in enumerate(required) if needed), None)
    # The first that is said may be any of those up to the first that has to be.
    ways = starts[::-1] if first is None else starts[::-1][: first + 1]
    return "\n".join([f"start: {' | '.join(ways + ([_NOTHING] if first is None else []))}", *rules])


_NOTHING = '""'


def _python(tool: FunctionTool, key: str, schema: Any) -> str:
    if schema == {} or not isinstance(schema, Mapping):
        return _json(tool, schema)
    plain = not schema.keys() - {"type", "title", "description", "default"}
    if plain and types_of(tool, key) == {"boolean"}:
        return '("True" | "False")'
    return _PYTHON_STRING if plain and types_of(tool, key) == {"string"} else _json(tool, schema)


def _properties(tool: FunctionTool) -> Mapping[str, Any]:
    found = (tool.parameters or {}).get("properties")
    return found if isinstance(found, Mapping) else {}


def _required(tool: FunctionTool) -> Sequence[str]:
    found = (tool.parameters or {}).get("required")
    return found if isinstance(found, list) else []


def _open(tool: FunctionTool) -> bool:
    return tool.parameters is not None and tool.parameters.get("additionalProperties") is not False


def _json(tool: FunctionTool, schema: Any) -> str:
    """JSON by a part of the tool's schema, with the definitions that it may refer to."""
    text = msgspec.json.encode(schema)
    whole = tool.parameters or {}
    if b'"$ref"' in text and isinstance(schema, Mapping):
        text = msgspec.json.encode({**schema, **{k: whole[k] for k in ("$defs", "definitions") if k in whole}})
    return f"%json {text.decode()}"


def _choices(schema: Any) -> list[str] | None:
    """Return the texts of an enumeration."""
    if not isinstance(schema, Mapping):
        return None
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list) or not values:
        return None
    return [v if isinstance(v, str) else msgspec.json.encode(v).decode() for v in values]


def _shape(schema: Any) -> str | None:
    """Return a regular expression for texts of a certain length or pattern; None where any will do."""
    if not isinstance(schema, Mapping):
        return None
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and pattern:
        return _whole(pattern)
    low, high = schema.get("minLength", 0), schema.get("maxLength", MAX_LENGTH + 1)
    if not isinstance(low, int) or not isinstance(high, int) or not (low or high <= MAX_LENGTH):
        return None
    return f"{ANY}{{{min(low, MAX_LENGTH)},{high if high <= MAX_LENGTH else ''}}}"


def _whole(pattern: str) -> str:
    """Return what a text is as a whole that has ``pattern`` somewhere, in the words of Lark."""
    begins, ends = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith("\\$")
    inner = pattern[begins : len(pattern) - ends]
    inner = re.sub(r"\\(.)", lambda m: "[0-9]" if m[1] == "d" else m[0], inner)
    inner = re.sub(r"(?<!\\)/", r"\\/", inner)
    return f"{'' if begins else ANY + '*'}({inner}){'' if ends else ANY + '*'}"


def _escaped(text: str) -> str:
    return re.escape(text).replace("/", "\\/")


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
