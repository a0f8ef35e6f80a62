"""Names in a request's body that nothing reads, at every level that a Struct describes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from frameworkctl.server.http.header_names import MAX_NAMED, cut

MAX_NAME = 40  # characters of one name
_keys = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ALIAS = ("alias", None)
_Shape = Any  # a Struct, or (kind, shape) for lists and maps of such


def unknown_fields(struct: Any, body: bytes, *, aliases: bool = True) -> list[str]:
    """Return the paths (``tools[1].function.colour``) of at most ``MAX_NAMED`` names that no Struct has.

    ``struct`` is the request's. A field of type ``Any`` is looked into if its ``msgspec.Meta`` has
    ``extra={"fields": type}``; one with ``extra={"alias": True}`` is another server's name, known only
    with ``aliases``. A body that is not an object has no unknown names: whoever parsed it took it.
    """
    try:
        given = _keys.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return []
    found: list[str] = []
    known = _fields(struct)
    for key, raw in given.items():
        if len(found) >= MAX_NAMED:
            break
        if key not in known:
            found.append(_joined("", key))
        elif known[key] not in (None, _ALIAS):
            try:
                value = msgspec.json.decode(raw)
            except (msgspec.DecodeError, RecursionError):
                continue
            found += _take(_walk(value, known[key], key, aliases), MAX_NAMED - len(found))
    return found


def _walk(value: Any, shape: _Shape, path: str, aliases: bool) -> Iterator[str]:
    """Yield the paths of unknown names inside a value. ``shape`` says where Structs are."""
    match shape:
        case ("list", inner):
            for i, item in enumerate(value if isinstance(value, list) else ()):
                yield from _walk(item, inner, f"{path}[{i}]", aliases)
        case ("map", inner):
            for key, item in value.items() if isinstance(value, dict) else ():
                yield from _walk(item, inner, _joined(path, key), aliases)
        case _ if isinstance(value, list):  # one or several of them; lists of lists are not what is described
            for i, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _walk(item, shape, f"{path}[{i}]", aliases)
        case _:
            known = _fields(shape)
            for key, item in value.items() if isinstance(value, dict) else ():
                if key not in known or (known[key] == _ALIAS and item is not None and not aliases):
                    yield _joined(path, key)
                elif known[key] not in (None, _ALIAS):
                    yield from _walk(item, known[key], _joined(path, key), aliases)


def _take(paths: Iterator[str], most: int) -> list[str]:
    return [path for path, _ in zip(paths, range(most), strict=False)]


def _joined(path: str, key: str) -> str:
    return cut(f"{path}.{key[:MAX_NAME]}" if path else key[:MAX_NAME])


@lru_cache(maxsize=256)
def _fields(struct: Any) -> dict[str, _Shape | None]:
    """Return the wire names of a Struct's fields, each with the Structs below it, None if there are none."""
    described = inspect.type_info(struct)
    assert isinstance(described, inspect.StructType)
    return {field.encode_name: _shape(field.type) for field in described.fields}


def _shape(described: inspect.Type) -> _Shape | None:
    match described:
        case inspect.Metadata(type=inner, extra=extra):
            if (extra or {}).get("alias"):
                return _ALIAS
            declared = (extra or {}).get("fields")
            return _shape(inspect.type_info(declared) if declared is not None else inner)
        case inspect.UnionType(types=types):
            return next((shape for kind in types if (shape := _shape(kind)) is not None), None)
        case inspect.StructType(cls=struct):
            return struct
        case inspect.ListType(item_type=inner) | inspect.VarTupleType(item_type=inner):
            shape = _shape(inner)
            return None if shape is None else ("list", shape)
        case inspect.DictType(value_type=inner):
            shape = _shape(inner)
            return None if shape is None else ("map", shape)
    return None
