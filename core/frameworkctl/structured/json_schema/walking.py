"""Schemas inside a schema, and the paths by which errors name them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")  # of schemas by name
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
SINGLE = (
    *("items", "additionalItems", "additionalProperties", "contains", "not", "if", "then", "else"),
    *("propertyNames", "unevaluatedProperties", "unevaluatedItems"),
)
MAX_KEY = 40  # characters of a name in a path


def joined(path: str, key: str | int) -> str:
    """Return the path of a keyword, a name or an element below ``path``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key[:MAX_KEY]}" if path else key[:MAX_KEY]


def below(schema: dict[str, Any], path: str) -> Iterator[tuple[dict[str, Any] | list[Any], str | int, str]]:
    """Yield ``(container, key, path)`` of each schema right below one; ``container[key]`` is the schema."""
    for keyword, value in schema.items():
        here = joined(path, keyword)
        if keyword in MAPS and isinstance(value, dict):
            for name in value:
                yield value, name, joined(here, name)
        elif isinstance(value, list) and (keyword in LISTS or keyword == "items"):
            for i in range(len(value)):
                yield value, i, joined(here, i)
        elif keyword in SINGLE:
            yield schema, keyword, here


def schemas_in(schema: Any, path: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """Yield every object schema with its path, inner ones first."""
    if not isinstance(schema, dict):
        return
    for container, key, inner in list(below(schema, path)):
        yield from schemas_in(container[key], inner)  # type: ignore[index]
    yield schema, path
