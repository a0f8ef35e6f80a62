"""JSON as models write it, read piece by piece and passed on as it is."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from .reader import Reader, Sink, Steps

_IN_STRING = re.compile(r'["\\]')
_BESIDE_STRINGS = re.compile(r'["{}\[\]]')
_SCALAR = re.compile(r"[^\s,:{}\[\]\"]*")


def sound(text: str) -> str:
    """Text that can be sent: halves of surrogate pairs, which escapes can leave behind, are replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def to_json(value: Any) -> str:
    """Return one way to write arguments that did not come as JSON."""
    return sound(json.dumps(value, ensure_ascii=False))


def from_json(text: str) -> Any:
    """Return a value. Raises ValueError for what is no JSON, for NaN and infinities, and for what is nested too
    deeply.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


def balanced(reader: Reader, sink: Sink) -> Steps[bool]:
    """Pass on what stands between a bracket or brace, which comes next, and its counterpart, both included.

    False where the text ends before. Brackets and braces in strings do not count.
    """
    depth, quoted = 0, False
    while True:
        found = (_IN_STRING if quoted else _BESIDE_STRINGS).search(reader.text, reader.at)
        if found is None:
            _pass_on(reader, len(reader.text), sink)
            if not (yield from reader.more()):
                return False
        elif found[0] == "\\":
            _pass_on(reader, found.start(), sink)
            escape = yield from reader.ahead(2)
            _pass_on(reader, reader.at + len(escape), sink)
        else:
            _pass_on(reader, found.end(), sink)
            if found[0] == '"':
                quoted = not quoted
                continue
            depth += 1 if found[0] in "{[" else -1
            if depth == 0:
                return True


def _pass_on(reader: Reader, end: int, sink: Sink) -> None:
    if end > reader.at:
        sink(reader.text[reader.at : end])
        reader.at = end


def string(reader: Reader) -> Steps[str | None]:
    """Read a string and return what it says; None where there is none, it is broken, or it has no end."""
    if (yield from reader.ahead(1)) != '"':
        return None
    parts = ['"']
    reader.at += 1
    while True:
        stopped = yield from reader.until('"', "\\", sink=parts.append)
        if stopped is None:
            return None
        parts.append((yield from reader.ahead(1 if stopped == '"' else 2)))
        reader.at += len(parts[-1])
        if stopped == '"':
            break
    try:
        value: str = json.loads("".join(parts), strict=False)
    except ValueError:
        return None
    return sound(value)


def value(reader: Reader, sink: Sink) -> Steps[bool]:
    """Pass on any value, whatever it is; False where there is none or it has no end."""
    first = yield from reader.ahead(1)
    if first in ("{", "["):
        return (yield from balanced(reader, sink))
    if first == '"':
        text = yield from string(reader)
        sink("" if text is None else to_json(text))
        return text is not None
    scalar = yield from reader.run(_SCALAR)
    sink(scalar)
    return bool(scalar)
