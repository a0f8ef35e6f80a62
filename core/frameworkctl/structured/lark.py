"""Pieces of grammars in llguidance's form of Lark."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from llguidance import regex_to_lark
from llguidance.gbnf_to_lark import any_to_lark, is_lark_syntax

from .patterns import check_repeats

# Where only one text can follow, its tokens are the model's choice, not those of one way to split it.
HEADER = '%llguidance {"no_forcing": true}'
# What a schema in Lark begins with, or something else that may have the same characters in it.
_SCHEMA = re.compile(r'"(?:\\.|[^"\\])*"|/(?:\\.|[^/\\\n])+/|//[^\n]*|(?P<json>%json\s*(?=\{))')
_decoder = json.JSONDecoder()
MAX_EBNF, MAX_EBNF_RULES = 64 * 1024, 500  # converted in Python, in time that grows with the square of the rules


def quoted(text: str) -> str:
    """Return a text that has to stand there."""
    return json.dumps(text, ensure_ascii=False)


def pattern(value: object) -> str:
    r"""Return a regular expression that a text has to match; ``\d`` is a digit from 0 to 9, as in JSON Schema.

    Raises:
        ValueError: it is empty, has the character NUL, or repeats too much.
    """
    if not isinstance(value, str) or not value:
        raise ValueError("a regular expression is a text that is not empty")
    if "\0" in value:
        raise ValueError("a regular expression cannot have the character NUL")
    check_repeats(value)
    return f"/{regex_to_lark(value, 'd')}/"


def with_schemas(grammar: str, change: Callable[[Any], Any]) -> str:
    """Return a grammar in Lark with each of its schemas (``%json {...}``) changed."""
    out, copied, at = [], 0, 0
    while (found := _SCHEMA.search(grammar, at)) is not None:
        at = found.end()
        if found["json"] is None:
            continue
        try:
            schema, end = _decoder.raw_decode(grammar, at)
        except (ValueError, RecursionError):
            continue  # the compiler finds the mistake
        out += [grammar[copied:at], json.dumps(change(schema), ensure_ascii=False)]
        copied = at = end
    return "".join([*out, grammar[copied:]])


def read(text: object) -> str:
    """Return a whole grammar, given in Lark or in EBNF.

    Raises:
        ValueError: it is neither, or EBNF that is too large to be converted.
    """
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
            text = any_to_lark(text).replace("%llguidance {}", "", 1)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        except Exception as e:  # noqa: BLE001 - the converter raises what it likes
            raise ValueError(f"neither Lark (no rule 'start:') nor EBNF: {e}") from None
    return text if "%llguidance" in text else f"{HEADER}\n{text}"
