"""Calls that models write as JSON objects: ``{"name": ..., "arguments": {...}}``, alone or in lists."""

from __future__ import annotations

from . import json_text
from .reader import Steps
from .tool_text import TextToolParser

ARGUMENTS = frozenset({"arguments", "parameters"})
BESIDE = frozenset({"id", "type", "index"})  # what else models write into a call


def call_arguments(parser: TextToolParser, name: str, id: str | None = None) -> Steps[bool]:
    """Begin the call and pass its arguments on as they come; False, and no call, where none come.

    Arguments are an object, an object in a string, or null. Their first key (or their end) has to be seen: a call that
    breaks earlier can still be told from text.
    """
    reader = parser.reader
    first = yield from reader.ahead(1)
    if first == '"':
        text = yield from json_text.string(reader)
        try:
            inner = None if text is None else json_text.from_json(text)
        except ValueError:
            return False
        if text is None or not isinstance(inner, dict):
            return False
        parser.begin(name, id)
        parser.arguments(text)
        return True
    if first == "n" and (yield from reader.take("null")):
        parser.begin(name, id)
        parser.arguments("{}")
        return True
    if first != "{" or (yield from reader.solid(1)) not in ('"', "}"):
        return False
    parser.begin(name, id)
    yield from json_text.balanced(reader, parser.arguments)
    return True


def call_object(parser: TextToolParser, *, bare: bool = False) -> Steps[bool]:
    """Read a call; False, and no call, where there is none.

    ``bare``: nothing but the object itself says that this is a call, so it must have arguments.
    """
    reader = parser.reader
    name: str | None = None
    held: list[str] = []  # arguments that came before the name
    calls = parser.calls
    if not (yield from reader.take("{")):
        return False
    while True:
        yield from reader.spaces()
        key = yield from _key(parser)
        if key == "name" and name is None:
            name = yield from json_text.string(reader)
            if not name:
                return False
            if held:
                _whole_call(parser, name, held)
        elif key in ARGUMENTS and parser.calls == calls:
            if name is not None:
                if not (yield from call_arguments(parser, name)):
                    return False
            elif (yield from reader.ahead(1)) != "{" or not (yield from json_text.balanced(reader, held.append)):
                return False
        elif key == "function" and name is None and (yield from reader.ahead(1)) == "{":
            if not (yield from call_object(parser, bare=bare)):
                return False
            name = ""
        elif key not in BESIDE or not (yield from json_text.value(reader, _nowhere)):
            return parser.calls > calls
        yield from reader.spaces()
        if not (yield from reader.take(",")):
            break
    closed = yield from reader.take("}")
    if parser.calls == calls and closed and name and not bare:
        _whole_call(parser, name, ["{}"])
    return parser.calls > calls


def call_list(parser: TextToolParser, *, bare: bool = False) -> Steps[bool]:
    """Read ``[{...}, {...}]``; False where the first object is no call. One that is none later ends the list."""
    reader = parser.reader
    if not (yield from reader.take("[")):
        return False
    calls = parser.calls
    while True:
        yield from reader.spaces()
        if not (yield from call_object(parser, bare=bare)):
            return False
        reader.hold()
        yield from reader.spaces()
        if not (yield from reader.take(",")):
            break
    yield from reader.take("]")
    return parser.calls > calls


def _key(parser: TextToolParser) -> Steps[str | None]:
    """Read a key and its colon."""
    reader = parser.reader
    key = yield from json_text.string(reader)
    yield from reader.spaces()
    if key is None or not (yield from reader.take(":")):
        return None
    yield from reader.spaces()
    return key


def _whole_call(parser: TextToolParser, name: str, arguments: list[str]) -> None:
    parser.begin(name)
    for text in arguments:
        parser.arguments(text)


def _nowhere(text: str) -> None:
    pass
