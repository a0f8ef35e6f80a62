"""Constraints as grammars in llguidance's words: written, bounded, and checked without a tokenizer."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import lru_cache
from typing import Any

from llguidance import LLMatcher, LLParserLimits

from frameworkctl.interfaces import Constraint, ConstraintError, PreparedGrammar
from frameworkctl.structured.json_schema.loosening import Loosening
from frameworkctl.structured.json_schema.walking import joined

from . import lark, structural_tags
from .json_schema import preparation as schemas
from .patterns import check_repeats
from .wording import in_words

MAX_TEXT = 256 * 1024  # characters of a grammar
LIMITS = LLParserLimits(max_lexer_states=50_000, verbose_errors=False)


def write(constraint: Constraint) -> PreparedGrammar:
    """Return the grammar of a constraint, and what of its schemas is not held.

    Raises:
        ValueError: it is malformed, not supported, too large, or nothing can satisfy it; the words are for the client.
    """
    return _Writing(constraint).result()


class _Writing:
    """One constraint on its way. ``loosened`` are paths of the request's fields."""

    def __init__(self, constraint: Constraint) -> None:
        self.constraint = constraint
        self.loosened: list[str] = []
        self._options = _json_options(constraint)
        self._silent = bool(constraint.parts)  # what is loosened is named where it came from

    def result(self) -> PreparedGrammar:
        self._check_parts()
        _limit(self.constraint.value)
        text = self._text()
        _limit(text)
        if problem := _problem(text):
            raise ValueError(in_words(problem))
        return PreparedGrammar(text, tuple(dict.fromkeys(self.loosened)))

    def _text(self) -> str:
        value = self.constraint.value
        match self.constraint.kind:
            case "json":
                return schema_grammar(self._held(schemas.read(value)))
            case "json_object":
                return schema_grammar(self._held({"type": "object"}))
            case "regex":
                return f"{lark.HEADER}\nstart: {lark.pattern(value)}"
            case "choice":
                return _choice(value)
            case "grammar":
                return lark.with_schemas(lark.read(value), lambda schema: self._held(schemas.read(schema)))
            case "structural_tag":
                return structural_tags.write(value, self._held)

    def _check_parts(self) -> None:
        """Name what is loosened in schemas of other fields, and raise what is wrong with one under the field's name."""
        for part in self.constraint.parts:
            try:
                loosened = self._loosened(schemas.read(part.schema), strict=part.strict)
            except ValueError as e:
                title = f" ({part.title})" if part.title else ""
                raise ConstraintError(f"{part.param}{title}: {e}", param=part.param) from None
            self.loosened += [joined(part.param, path) for path in loosened.named]

    def _held(self, schema: Any) -> Any:
        """Return a schema as llguidance takes it. Raises ValueError."""
        found = self._loosened(schema, strict=self.constraint.strict)
        if not self._silent:
            self.loosened += [joined(self.constraint.param, path) for path in found.named]
        return schemas.with_options(found.schema, self._options)

    def _loosened(self, schema: Any, *, strict: bool) -> Loosening:
        schema = deepcopy(schema) if self.constraint.additional_properties else schemas.closed(schema)
        return Loosening(schema, self._schema_problem, strict=strict)

    def _schema_problem(self, schema: Any) -> str:
        """Return why llguidance does not take a schema, "" if it does."""
        return _problem(schema_grammar(schemas.with_options(schema, self._options)))


def _limit(value: Any) -> None:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise ValueError(f"larger than {MAX_TEXT // 1024} KiB")


@lru_cache(maxsize=64)
def _problem(text: str) -> str:
    return str(LLMatcher.validate_grammar(text, limits=LIMITS))


def schema_grammar(schema: Any) -> str:
    start = {"name": "start", "lark_grammar": f"{lark.HEADER}\nstart: @json"}
    return json.dumps({"grammars": [start, {"name": "json", "json_schema": schema}]}, ensure_ascii=False)


def _json_options(constraint: Constraint) -> dict[str, Any]:
    """Return the constraint's options by llguidance's names."""
    if constraint.whitespace_pattern is not None:
        check_repeats(constraint.whitespace_pattern)
        return {"whitespace_pattern": constraint.whitespace_pattern}
    if not constraint.any_whitespace or constraint.max_whitespace == 0:
        return {"whitespace_flexible": False}
    if constraint.max_whitespace < 0:
        return {"whitespace_flexible": True}
    most = constraint.max_whitespace
    return {"whitespace_pattern": rf"\r?\n[ \t]{{0,{most}}}|[ \t]{{1,{most}}}"}


def _choice(choices: Any) -> str:
    if not isinstance(choices, (list, tuple)) or not choices or not all(isinstance(c, str) for c in choices):
        raise ValueError("choices are a list of texts that is not empty")
    return f"{lark.HEADER}\nstart: " + " | ".join(map(lark.quoted, choices))
