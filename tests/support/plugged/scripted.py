"""A model that says a given text as long as nothing forbids it: a logits processor for requests, and who serves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

PATTERN = r"support\.plugged\.scripted\..*"  # of --logits-processor-pattern
BONUS = 1e6


def text(ids: Sequence[int]) -> Callable[[Sequence[int], Any], Any]:
    """Return a processor that prefers these tokens while the output is the beginning of them; the model goes on."""
    script = list(ids)

    def process(output: Sequence[int], row: Any) -> Any:
        at = len(output)
        if at < len(script) and list(output) == script[:at]:
            row[script[at]] += BONUS
        return row

    return process


def saying(ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return the field ``logits_processors`` of a request whose answer begins with these tokens."""
    return [{"qualname": "support.plugged.scripted.text", "kwargs": {"ids": list(ids)}}]
