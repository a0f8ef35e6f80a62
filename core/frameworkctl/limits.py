"""The table of lengths and counts: how large a body, a list, a text of a request may be.

Ranges of numbers are in ``params``. The checks, ``docs/fields.md`` and the tests read the same table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any, NamedTuple

import msgspec

from .errors import RequestError, bad

MAX_VALUES = 1 << 20  # JSON values of a body: each may become an object of 60 bytes
MAX_CONTAINERS = 1 << 18  # lists, objects and members of objects: each may become one of 250 bytes
MAX_TEXTS = 1 << 16  # inputs of a pooling request
MAX_TEXT_BYTES = 4 << 20  # of a text, unless --max-text-bytes says otherwise
TOO_MANY_TEXTS = "too_many_texts"
MAX_BAD_WORD_CHARACTERS = 1 << 14
MAX_SEQUENCES = 1 << 14  # prompts times n of a request where the queue has no limit
MAX_IDS = 1 << 18  # about the largest vocabulary
EMBEDS = "prompt_embeds"  # the type of a message's part
EMBEDS_DATA = ("data", EMBEDS)


class Limit(NamedTuple):
    """``most`` entries of a list or an object, 0 if it is a text; ``characters`` of a text, None: --max-text-bytes."""

    most: int
    characters: int | None = None
    code: str = "invalid_value"


# By the wire name of a field at the top level of a body, whatever its route.
LENGTHS: Mapping[str, Limit] = {
    "allowed_token_ids": Limit(2 * MAX_IDS),
    "bad_words": Limit(128),
    "chat_template": Limit(0, 1 << 18),
    "chat_template_kwargs": Limit(256),
    "documents": Limit(MAX_TEXTS, code=TOO_MANY_TEXTS),
    "embedding_types": Limit(16),
    "extra_args": Limit(64),
    "inputs": Limit(MAX_TEXTS, code=TOO_MANY_TEXTS),
    "logit_bias": Limit(MAX_IDS),
    "logits_processors": Limit(64),
    "logprob_token_ids": Limit(128),
    "messages": Limit(MAX_TEXTS),
    "queries": Limit(MAX_TEXTS, code=TOO_MANY_TEXTS),
    "stop": Limit(64, 1 << 14),
    "stop_token_ids": Limit(1024),
    "texts": Limit(MAX_TEXTS, code=TOO_MANY_TEXTS),
    "tokens": Limit(MAX_IDS),
    "tools": Limit(1024),
    "vllm_xargs": Limit(64),
}


def check_lengths(request: Any) -> None:
    """Check the fields of a decoded body that the table names.

    Raises:
        RequestError: 400 naming the first field that is too long.
    """
    for field in msgspec.structs.fields(request):
        limit = LENGTHS.get(field.encode_name)
        value = getattr(request, field.name) if limit is not None else None
        if limit is None or not isinstance(value, Sized):
            continue
        name, size = field.encode_name, len(value)
        if isinstance(value, str | bytes):
            if limit.characters is not None and size > limit.characters:
                raise bad(name, f"{name} has {size} characters: send at most {limit.characters}.", limit.code)
        elif size > limit.most:
            raise bad(name, f"{name} has {size} entries: send at most {limit.most}.", limit.code)


def text_bytes(value: Any, most: int, *, embeds: bool = False) -> int:
    """Return the UTF-8 bytes of all strings in ``value``, however nested; stops when they are more than ``most``.

    With ``embeds``, the data of parts that are embeddings are not counted: they are not text.
    """
    total, waiting = 0, [value]
    while waiting and total <= most:
        value = waiting.pop()
        if isinstance(value, str):
            short = value.isascii() or total + len(value) > most
            total += len(value) if short else len(value.encode("utf-8", "surrogatepass"))
        elif isinstance(value, Mapping):
            data = EMBEDS_DATA if embeds and (value.get("type") == EMBEDS or EMBEDS in value) else ()
            waiting.extend(value)
            waiting.extend(inner for key, inner in value.items() if key not in data)
        elif isinstance(value, list | tuple):
            waiting.extend(value)
    return total


def check_text(param: str, value: Any, most: int, *, embeds: bool = False) -> None:
    """Raise RequestError 400 naming ``param`` when ``text_bytes`` of ``value`` are more than ``most``."""
    if text_bytes(value, most, embeds=embeds) > most:
        raise bad(param, f"{param} has more than {most} bytes of text: send less (--max-text-bytes).")


def too_many_values(what: str, most: int) -> RequestError:
    """Return the 413 for a body that is made of too many parts to decode."""
    return RequestError(
        f"The body has more than {most} {what}: send fewer at a time.", status=413, code="body_too_complex"
    )
