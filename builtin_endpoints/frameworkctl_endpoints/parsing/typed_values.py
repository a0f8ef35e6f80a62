"""Argument values that models write as bare text, told apart by the tool's JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frameworkctl.interfaces import FunctionTool

from . import json_text, python_text
from .reader import Reader, Sink, Steps

_TYPE_OF = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
DEEPEST = 8  # of schemas within anyOf and its like, and of references


def types_of(tool: FunctionTool | None, key: str) -> frozenset[str]:
    """Return the JSON types that the schema allows for an argument; empty where it says nothing."""
    properties = (tool.parameters or {}).get("properties") if tool else None
    return types_in(properties.get(key) if isinstance(properties, Mapping) else None, tool)


def types_in(schema: Any, tool: FunctionTool | None) -> frozenset[str]:
    """Return the same for a part of the tool's schema."""
    return frozenset(_types(schema, 0, (tool.parameters if tool else None) or {}))


def _types(schema: Any, depth: int, whole: Mapping[str, Any]) -> set[str]:
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return set()
    if isinstance(schema.get("$ref"), str):
        return _types(part_of(whole, schema["$ref"]), depth + 1, whole)
    named = schema.get("type")
    if isinstance(named, str):
        return {named}
    if isinstance(named, list):
        return {t for t in named if isinstance(t, str)}
    values = schema["enum"] if isinstance(schema.get("enum"), list) else [schema["const"]] if "const" in schema else []
    found = {"null" if v is None else _TYPE_OF.get(type(v), "string") for v in values}
    for group in ("anyOf", "oneOf", "allOf"):
        for inner in schema.get(group) or () if isinstance(schema.get(group), list) else ():
            found |= _types(inner, depth + 1, whole)
    if not found and ("properties" in schema or "additionalProperties" in schema):
        return {"object"}
    return found or ({"array"} if "items" in schema else set())


def part_of(whole: Any, reference: str) -> Any:
    """Return what ``#/$defs/name`` means; None where there is no such part."""
    for name in reference.removeprefix("#").split("/")[1:]:
        whole = whole.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(whole, Mapping) else None
    return whole if reference.startswith("#") else None


def is_text(types: frozenset[str]) -> bool:
    """Whatever stands there is a string."""
    return not types or types == {"string"}


def typed(text: str, types: frozenset[str]) -> Any:
    """Return the value of ``text`` as one of ``types``; a string where it is none of them."""
    bare = text.strip()
    if "null" in types and bare.lower() in ("null", "none"):
        return None
    if "boolean" in types and bare.lower() in ("true", "false"):
        return bare.lower() == "true"
    for read in (json_text.from_json, _literal):
        try:
            value = read(bare)
        except ValueError:
            continue
        kind = _TYPE_OF.get(type(value))
        if kind in types and kind != "string":
            return value
        if kind == "integer" and "number" in types:
            return value
        if kind == "number" and "integer" in types and value.is_integer():
            return int(value)
    return text


def _literal(text: str) -> Any:
    """Models that think in Python write lists and objects its way. Raises ValueError."""
    try:
        return python_text.literal(python_text.expression(text))
    except RecursionError:
        raise ValueError("nested too deeply") from None


class ObjectWriter:
    """Writes arguments as JSON while they come, key by key; strings piece by piece."""

    def __init__(self, tool: FunctionTool | None, sink: Sink) -> None:
        self.tool, self.sink = tool, sink
        self._count = 0

    def open(self) -> None:
        self.sink("{")

    def close(self) -> None:
        self.sink("}")

    def member(self, key: str, reader: Reader, ends: tuple[str, ...], *, trim: bool) -> Steps[str | None]:
        """Read a value up to one of ``ends``, which is returned and not read, and write it.

        ``trim``: one line break at each side of the value belongs to the format. Where the text ends first, a string
        stays open and any other value is left out: what was cut off must not look complete.
        """
        types = types_of(self.tool, key)
        prefix = f"{', ' if self._count else ''}{json_text.to_json(key)}: "
        self._count += 1
        if is_text(types):
            self.sink(prefix + '"')
            text = _Trimmed(lambda piece: self.sink(json_text.to_json(piece)[1:-1]), trim=trim)
            found = yield from reader.until(*ends, sink=text.push)
            if found is not None:
                self.sink('"')
            return found
        parts: list[str] = []
        text = _Trimmed(parts.append, trim=trim)
        found = yield from reader.until(*ends, sink=text.push)
        if found is not None:
            self.sink(prefix + json_text.to_json(typed("".join(parts), types)))
        return found


class _Trimmed:
    """Passes text on without a line break at its beginning and one at its end."""

    def __init__(self, sink: Sink, *, trim: bool) -> None:
        self.sink, self.trim = sink, trim
        self._begun, self._held = False, ""

    def push(self, text: str) -> None:
        if not self.trim:
            self.sink(text)
            return
        if not self._begun and text:
            self._begun = True
            text = text.removeprefix("\n")
        text = self._held + text
        self._held = "\n" if text.endswith("\n") else ""
        text = text.removesuffix("\n")
        if text:
            self.sink(text)
