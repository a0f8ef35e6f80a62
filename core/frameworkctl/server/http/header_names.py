"""Fields of a request in the headers of its reply: few, short, and without characters that end a header."""

from __future__ import annotations

import re
from collections.abc import Sequence

from frameworkctl.interfaces.endpoint import Call, Work

MAX_NAMED = 10  # fields that one reply names
MAX_PATH = 120  # characters of a path
UNKNOWN_FIELDS = "x-unknown-fields"
LOOSENED_SCHEMA = "x-loosened-schema"
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_.$\[\]-]")  # names come from the client


def for_header(paths: Sequence[str]) -> str:
    """Return the first ``MAX_NAMED`` paths with commas between them."""
    return ",".join(_NOT_A_NAME.sub("?", cut(path)) for path in paths[:MAX_NAMED])


def name_loosened(call: Call, work: Work) -> None:
    """Name what the work does not hold of the request's schemas in a header of the reply."""
    grammars = (item.params.grammar for item in work.items)
    if loosened := tuple(dict.fromkeys(path for g in grammars if g is not None for path in g.loosened)):
        call.reply_headers[LOOSENED_SCHEMA] = for_header(loosened)


def cut(path: str) -> str:
    """Return the end of a path that has more than ``MAX_PATH`` characters."""
    return path if len(path) <= MAX_PATH else f"...{path[3 - MAX_PATH :]}"
