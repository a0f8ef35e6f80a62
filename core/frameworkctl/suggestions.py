"""The hint that an unknown name ends with: the known one that looks most like it."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'NAME'?``, or nothing where no name is close."""
    import difflib  # only those who mistype need it

    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
