"""Counts what a body is made of before it is decoded, in bounded memory and without long stops."""

from __future__ import annotations

from frameworkctl.limits import MAX_CONTAINERS, MAX_VALUES, too_many_values

WINDOW = 1 << 18  # bytes that are looked at before others may run
_QUOTE = b'"'
_BACKSLASH = b"\\"


def check_structure(body: bytes) -> None:
    """Refuse a JSON body whose decoding would take too much memory, whatever its texts are.

    Commas, colons and brackets outside strings are counted a window at a time. A body that is not JSON may pass.

    Raises:
        RequestError: 413 for more than ``MAX_VALUES`` values, or ``MAX_CONTAINERS`` lists, objects and members.
    """
    values = containers = 0
    inside = False  # of a string
    begin = 0
    while begin < len(body):
        window = body[begin : begin + WINDOW]
        if (len(window) - len(window.rstrip(_BACKSLASH))) % 2:  # an escape would reach into the next one
            window = body[begin : begin + WINDOW + 1]
        begin += len(window)
        outside, inside = _outside_strings(window, inside)
        opened = outside.count(b"[") + outside.count(b"{")
        containers += opened + outside.count(b":")
        values += opened + outside.count(b",")
        if values > MAX_VALUES:
            raise too_many_values("values", MAX_VALUES)
        if containers > MAX_CONTAINERS:
            raise too_many_values("lists, objects and members of objects", MAX_CONTAINERS)


def _outside_strings(window: bytes, inside: bool) -> tuple[bytes, bool]:
    """Return the bytes of a window that are in no string, and if it ends inside of one."""
    if _BACKSLASH in window:
        window = window.replace(b"\\\\", b"").replace(b'\\"', b"")
    parts = window.split(_QUOTE)
    return b"".join(parts[1 if inside else 0 :: 2]), inside ^ (len(parts) % 2 == 0)
