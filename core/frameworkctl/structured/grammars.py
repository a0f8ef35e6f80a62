"""Constraints as grammars in llguidance's words: written, held to limits, and checked without a tokenizer."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from llguidance import LLMatcher, LLParserLimits
from llguidance.gbnf_to_lark import any_to_lark, is_lark_syntax

from ..interfaces import Constraint
from . import schemas, structural_tags
from .patterns import check_repeats

MAX_TEXT = 256 * 1024  # characters of a grammar
MAX_EBNF, MAX_EBNF_RULES = 64 * 1024, 500  # converted in Python, in time that grows with the square of the rules
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
            text = _regex(constraint.value)
        case "choice":
            text = _choice(constraint.value)
        case "grammar":
            text = _grammar(constraint.value)
        case "structural_tag":
            text = structural_tags.write(constraint.value, json_options(constraint), _grammar)
    _limit(text)
    problem = _problem(text)
    if problem:
        raise ValueError(problem)
    return text


def json_options(constraint: Constraint) -> dict[str, Any]:
    """What llguidance calls them."""
    if constraint.whitespace_pattern is not None:
        check_repeats(constraint.whitespace_pattern)
        return {"whitespace_pattern": constraint.whitespace_pattern}
    return {"whitespace_flexible": constraint.any_whitespace}


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
    schema = schemas.with_options(schema, json_options(constraint))
    return json.dumps({"grammars": [{"json_schema": schema}]}, ensure_ascii=False)


def _regex(pattern: Any) -> str:
    if not isinstance(pattern, str) or not pattern:
        raise ValueError("a regular expression is a text that is not empty")
    if "\0" in pattern:
        raise ValueError("a regular expression cannot have the character NUL")
    check_repeats(pattern)
    return LLMatcher.grammar_from_regex(pattern)


def _choice(choices: Any) -> str:
    if not isinstance(choices, (list, tuple)) or not choices or not all(isinstance(c, str) for c in choices):
        raise ValueError("choices are a list of texts that is not empty")
    lark = "start: " + " | ".join(json.dumps(c, ensure_ascii=False) for c in choices)
    return LLMatcher.grammar_from_lark(lark)


def _grammar(text: Any) -> str:
    """Lark, which EBNF is made into. A grammar in Lark is one of llguidance as it stands."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError("a grammar is a text that is not empty")
    if text.lstrip().startswith("{"):
        raise ValueError("neither Lark nor EBNF begins with a brace")
    if not is_lark_syntax(text):
        if len(text) > MAX_EBNF or text.count("::=") > MAX_EBNF_RULES:
            raise ValueError(
                f"EBNF can have {MAX_EBNF_RULES} rules and {MAX_EBNF // 1024} KiB; write larger ones in Lark"
            )
        try:
            text = any_to_lark(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        except Exception as e:  # noqa: BLE001 - the converter raises what it likes
            raise ValueError(f"neither Lark (no rule 'start:') nor EBNF: {e}") from None
    return LLMatcher.grammar_from_lark(text)
