"""Repetition in a regular expression: counted repetitions inside counted ones are what costs."""

from __future__ import annotations

import re

MAX_REPEATS = 100_000  # of one thing
MAX_NESTED_REPEATS = 5_000  # bounds multiplied, where repetitions stand inside each other
_COUNT = re.compile(r"\{(\d+)(,(\d*))?\}")


def check_repeats(pattern: str) -> None:
    """Refuse what would take the matcher tenths of a second per token: ``((a{1,99}){1,99}){1,99}``.

    The bounds of nested counted repetitions are multiplied; ``*``, ``+`` and ``?`` cost nothing and count as once.

    Raises:
        ValueError: the product is too large.
    """
    deepest = [1]  # per open group: the largest product inside it
    atom = 1  # that of what a repetition would apply to
    i = 0
    while i < len(pattern):
        c = pattern[i]
        if c == "\\":
            i, atom = i + 2, 1
            continue
        if c == "[":
            i, atom = _class_end(pattern, i), 1
            continue
        count = _COUNT.match(pattern, i) if c == "{" else None
        if count is not None:
            bound = max(1, int(count[1][:12]), int((count[3] or "0")[:12]))
            if bound > MAX_REPEATS or (atom > 1 and atom * bound > MAX_NESTED_REPEATS):
                raise ValueError(f"the pattern repeats too much: {pattern[max(0, i - 40) : count.end()]!r}")
            atom *= bound
            deepest[-1] = max(deepest[-1], atom)
            i = count.end()
            continue
        if c == "(":
            deepest.append(1)
        elif c == ")" and len(deepest) > 1:
            atom = deepest.pop()
            deepest[-1] = max(deepest[-1], atom)
        elif c not in "*+?":
            atom = 1
        i += 1


def _class_end(pattern: str, start: int) -> int:
    """Index behind the class that begins at ``start``; classes nest, and a ``]`` that comes first is a character."""
    i, depth = start + 1, 1
    if pattern[i : i + 1] == "^":
        i += 1
    if pattern[i : i + 1] == "]":
        i += 1
    while i < len(pattern) and depth:
        if pattern[i] == "\\":
            i += 1
        elif pattern[i] == "[":
            depth += 1
        elif pattern[i] == "]":
            depth -= 1
        i += 1
    return i
