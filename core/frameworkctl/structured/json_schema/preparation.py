"""JSON Schemas before they are compiled: read, bounded, and with their options written into them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from frameworkctl.structured.patterns import check_repeats

from .walking import MAPS

MAX_DEPTH = 64
DATA = ("enum", "const", "default", "examples", "example")  # values, not schemas
_DAY = r"([1-9]\d{3}|0[1-9]\d{2}|00[1-9]\d|000[1-9])-\d{2}-\d{2}"
_TIME = r"\d{2}:\d{2}:[0-5]\d(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})"
TIMES = {"date": f"^{_DAY}$", "time": f"^{_TIME}$", "date-time": f"^{_DAY}T{_TIME}$"}
MAX_PROPERTIES_SQUARED = 1_000_000  # compile time grows with the square of the properties of one object


def read(value: Any) -> Any:
    """Return a schema as objects, from JSON text or as it is.

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
    """Return the schema with ``additionalProperties: false`` wherever an object schema does not say."""

    def close(found: dict[str, Any]) -> dict[str, Any]:
        kind = found.get("type")
        is_object = kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in found
        return {"additionalProperties": False} if is_object and "additionalProperties" not in found else {}

    return _changed(schema, close)


def with_strict_times(schema: Any) -> Any:
    """Return the schema with a pattern where a format allows times that few readers know: a second 60, a year 0, a
    ``t``.
    """

    def narrow(found: dict[str, Any]) -> dict[str, Any]:
        pattern = None if "pattern" in found else TIMES.get(str(found.get("format")))
        return {"pattern": pattern} if pattern else {}

    return _changed(schema, narrow)


def _changed(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return a copy in which every object that is a schema, and no other, has what ``change`` adds to it."""
    if isinstance(schema, list):
        return [_changed(item, change) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {}
    for key, value in schema.items():
        if key in MAPS and isinstance(value, dict):
            out[key] = {name: _changed(item, change) for name, item in value.items()}
        else:
            out[key] = value if key in DATA else _changed(value, change)
    return {**out, **change(schema)}


def with_options(schema: Any, options: dict[str, Any]) -> Any:
    """Return the schema as llguidance takes it: its options stand in the outermost object, whatever was there."""
    schema = with_strict_times(schema)
    if schema is False:
        return schema
    outer = {} if schema is True else {k: v for k, v in schema.items() if k != "x-guidance"}
    return {**outer, "x-guidance": options}
