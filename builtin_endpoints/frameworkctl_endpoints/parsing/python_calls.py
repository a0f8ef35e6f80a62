"""Calls that models write as Python: ``[f(a=1), g(b="x")]``."""

from __future__ import annotations

import ast
import re
from typing import Any

from . import json_text, python_text
from .reader import Reader, Steps
from .tool_text import TextToolParser

_NAME = re.compile(r"[\w.]*")
_QUOTES = ('"""', "'''", '"', "'")
_OF_NOTE = re.compile(r"[\"'()\[\]{}]")


def call_list(parser: TextToolParser) -> Steps[bool]:
    """Read a list of calls; False where the first is none. One that is none later ends the list.

    A call is told when it is complete: what is wrong in it leaves it text.
    """
    reader = parser.reader
    if not (yield from reader.take("[")):
        return False
    calls = parser.calls
    while True:
        yield from reader.spaces()
        found = yield from _call(reader)
        if found is None:
            return False
        name, arguments = found
        parser.begin(name)
        parser.arguments(json_text.to_json(arguments))
        reader.hold()
        yield from reader.spaces()
        if not (yield from reader.take(",")):
            break
    yield from reader.take("]")
    return parser.calls > calls


def _call(reader: Reader) -> Steps[tuple[str, dict[str, Any]] | None]:
    name = yield from reader.run(_NAME)
    if not name or (yield from reader.ahead(1)) != "(":
        return None
    parts: list[str] = []
    if not (yield from _bracketed(reader, parts)):
        return None
    try:
        tree = python_text.expression(name + "".join(parts))
        if not isinstance(tree, ast.Call) or tree.args or any(k.arg is None for k in tree.keywords):
            return None
        arguments = {str(k.arg): python_text.literal(k.value) for k in tree.keywords}
    except (ValueError, RecursionError):
        return None
    return name, arguments


def _bracketed(reader: Reader, parts: list[str]) -> Steps[bool]:
    """Read from a bracket to its counterpart; False where the text ends before."""
    depth = 0
    while True:
        found = _OF_NOTE.search(reader.text, reader.at)
        end = len(reader.text) if found is None else found.start()
        parts.append(reader.text[reader.at : end])
        reader.at = end
        if found is None:
            if not (yield from reader.more()):
                return False
        elif found[0] in "\"'":
            if not (yield from _quoted(reader, parts)):
                return False
        else:
            parts.append(found[0])
            reader.at += 1
            depth += 1 if found[0] in "([{" else -1
            if depth == 0:
                return True


def _quoted(reader: Reader, parts: list[str]) -> Steps[bool]:
    """Read a string of any quotes."""
    quote = yield from reader.take(*_QUOTES)
    assert quote is not None
    if quote in ('"', "'") and (yield from reader.ahead(1)) == quote:  # an empty one
        reader.at += 1
        parts.append(quote * 2)
        return True
    parts.append(quote)
    while True:
        stopped = yield from reader.until("\\", quote, sink=parts.append)
        if stopped is None:
            return False
        piece = yield from reader.ahead(2 if stopped == "\\" else len(quote))
        parts.append(piece)
        reader.at += len(piece)
        if stopped == quote:
            return True
