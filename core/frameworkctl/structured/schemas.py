"""JSON Schemas before they are compiled: read, bounded, and with their options written into them."""

from __future__ import annotations

from typing import Any

import msgspec

from .patterns import check_repeats

MAX_DEPTH = 64
MAX_PROPERTIES_SQUARED = 1_000_000  # compile time grows with the square of the properties of one object


def read(value: Any) -> Any:
    """A schema as objects, from JSON text or as it is.

    Raises:
        ValueError: not JSON, neither an object nor a boolean, or larger than the limits.
    """
    schema = decode(value) if isinstance(value, str) else value
    if not isinstance(schema, (dict, bool)):
        raise ValueError("a JSON Schema is an object, a boolean, or either as JSON text")
    check(schema)
    return schema


def decode(text: str) -> Any:
    """JSON text; raises ValueError."""
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    except msgspec.DecodeError as e:
        raise ValueError(f"not valid JSON: {e}") from None


def check(value: Any) -> None:
    """Hold anything that contains schemas to the limits. Raises ValueError."""
    squares = 0
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                squares += _check_object(item)
                below += item.values()
            elif isinstance(item, list):
                below += item
        if squares > MAX_PROPERTIES_SQUARED:
            raise ValueError("objects with too many properties")
        level = [item for item in below if isinstance(item, (dict, list))]
        if not level:
            return
    raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def _check_object(item: dict[str, Any]) -> int:
    """Check the patterns in it, and return its properties squared."""
    pattern, keyed = item.get("pattern"), item.get("patternProperties")
    if isinstance(pattern, str):
        check_repeats(pattern)
    if isinstance(keyed, dict):
        for key in keyed:
            check_repeats(key)
    properties = item.get("properties")
    return len(properties) ** 2 if isinstance(properties, dict) else 0


def closed(schema: Any) -> Any:
    """The schema with ``additionalProperties: false`` wherever an object schema does not say."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: value if key in ("enum", "const", "default", "examples") else closed(value)
           for key, value in schema.items()}  # fmt: skip
    kind = schema.get("type")
    is_object = kind == "object" or (isinstance(kind, list) and "object" in kind)
    if (is_object or isinstance(schema.get("properties"), dict)) and "additionalProperties" not in schema:
        out["additionalProperties"] = False
    return out


def with_options(schema: Any, options: dict[str, Any]) -> Any:
    """The schema as llguidance takes it: its options stand in the outermost object, whatever was there."""
    if schema is False:
        return schema
    outer = {} if schema is True else {k: v for k, v in schema.items() if k != "x-guidance"}
    return {**outer, "x-guidance": options}
