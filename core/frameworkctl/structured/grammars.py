"""Constraints as grammars in llguidance's words: written, held to limits, and checked without a tokenizer."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from llguidance import LLMatcher, LLParserLimits

from ..interfaces import Constraint
from . import lark, schemas, structural_tags
from .patterns import check_repeats

MAX_TEXT = 256 * 1024  # characters of a grammar
LIMITS = LLParserLimits(max_lexer_states=50_000, verbose_errors=False)


def write(constraint: Constraint) -> str:
    """The grammar of a constraint.

    Raises:
        ValueError: it is malformed, not supported, too large, or nothing can satisfy it; the words are for the client.
    """
    _limit(constraint.value)
    match constraint.kind:
        case "json":
            text = _json(schemas.read(constraint.value), constraint)
        case "json_object":
            text = _json({"type": "object"}, constraint)
        case "regex":
            text = f"{lark.HEADER}\nstart: {lark.pattern(constraint.value)}"
        case "choice":
            text = _choice(constraint.value)
        case "grammar":
            text = lark.read(constraint.value)
        case "structural_tag":
            text = structural_tags.write(constraint.value, _json_options(constraint))
    _limit(text)
    problem = _problem(text)
    if problem:
        raise ValueError(problem)
    return text


def first_line(message: str) -> str:
    """llguidance's words without the state of its parser; of a regular expression, what is wrong with it."""
    lines = message.split("\n")
    why = next((line for line in lines if line.startswith("error: ")), "")
    return " ".join(filter(None, (lines[0].strip()[:400], why)))


def _limit(value: Any) -> None:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise ValueError(f"larger than {MAX_TEXT // 1024} KiB")


@lru_cache(maxsize=64)
def _problem(text: str) -> str:
    return first_line(LLMatcher.validate_grammar(text, limits=LIMITS))


def _json(schema: Any, constraint: Constraint) -> str:
    if not constraint.additional_properties:
        schema = schemas.closed(schema)
    schema = schemas.with_options(schema, _json_options(constraint))
    start = {"name": "start", "lark_grammar": f"{lark.HEADER}\nstart: @json"}
    return json.dumps({"grammars": [start, {"name": "json", "json_schema": schema}]}, ensure_ascii=False)


def _json_options(constraint: Constraint) -> dict[str, Any]:
    """What llguidance calls them."""
    if constraint.whitespace_pattern is not None:
        check_repeats(constraint.whitespace_pattern)
        return {"whitespace_pattern": constraint.whitespace_pattern}
    return {"whitespace_flexible": constraint.any_whitespace}


def _choice(choices: Any) -> str:
    if not isinstance(choices, (list, tuple)) or not choices or not all(isinstance(c, str) for c in choices):
        raise ValueError("choices are a list of texts that is not empty")
    return f"{lark.HEADER}\nstart: " + " | ".join(map(lark.quoted, choices))
