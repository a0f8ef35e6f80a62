"""Keywords that llguidance cannot hold: loosened and named, or refused where the schema is strict.

A loosened schema accepts every document that the schema accepts.
"""

from __future__ import annotations

import operator
import re
import warnings
from collections.abc import Callable
from typing import Any

from frameworkctl.structured.wording import CIRCULAR, OVERLAP, in_words, is_malformed, is_unsatisfiable

from .references import endless_reference
from .rewriting import COUNTS, rewrite
from .walking import below, joined, schemas_in

FORMATS = frozenset(
    {"date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"}
)  # that llguidance holds strings to
TYPES = frozenset({"string", "number", "integer", "object", "array", "boolean", "null"})
UNHELD = (
    *("uniqueItems", "contains", "minContains", "maxContains", "unevaluatedProperties", "unevaluatedItems"),
    *("dependentRequired", "dependentSchemas", "dependencies", "propertyNames", "not"),
    *("$dynamicRef", "$recursiveRef", "$recursiveAnchor"),
)
# Keywords without which a schema accepts more, whatever stands beside them.
DROPPABLE = (
    *("pattern", "format", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum"),
    *("exclusiveMaximum", "multipleOf", "minItems", "maxItems", "minProperties", "maxProperties"),
    "patternProperties",
)
# Of each bound: if another number is no wider than it, and how far the outermost integer is from it.
BOUNDS: dict[str, tuple[Callable[[int, int], bool], int]] = {
    "minimum": (operator.ge, 0),
    "exclusiveMinimum": (operator.ge, 1),
    "maximum": (operator.le, 0),
    "exclusiveMaximum": (operator.le, -1),
}
MAX_INTEGER = (1 << 63) - 1
MAX_LOOKED_AT = 400  # schemas of one document that are tried one by one

Problem = Callable[[Any], str]  # a schema -> why llguidance does not take it, "" if it does


class SchemaError(ValueError):
    """A part of a schema that cannot be held. ``path`` is where it stands in the schema."""

    def __init__(self, path: str, words: str) -> None:
        super().__init__(f"{path}: {words}" if path else words)
        self.path = path


def _held(number: int) -> int:
    """Return the integer that llguidance makes of a bound: cut to 64 bits, and rounded to a float64."""
    cut = max(-MAX_INTEGER - 1, min(MAX_INTEGER, number))
    return cut if abs(cut) >= MAX_INTEGER else int(float(cut))


class Loosening:
    """One document. ``schema`` is what llguidance takes; ``named`` are the paths of the keywords that were loosened.

    ``schema`` is changed in place: give a copy.

    Raises:
        SchemaError: a keyword is malformed or nothing fits it, or it cannot be held and the schema is ``strict``.
    """

    def __init__(self, schema: Any, problem: Problem, *, strict: bool) -> None:
        self.named: list[str] = []
        self.schema, self._problem, self._strict = schema, problem, strict
        self._read(schema, "")
        if (endless := endless_reference(schema)) is not None:
            raise SchemaError(endless, "no value fits: the reference leads back to itself without an end")
        if why := problem(schema):
            self._find(why)

    # -- keywords that are known not to be held

    def _read(self, schema: Any, path: str) -> None:
        if not isinstance(schema, dict):
            return
        rewrite(schema, self.schema)
        _check_shape(schema, path)
        if "if" in schema:
            for keyword in ("then", "else"):
                schema.pop(keyword, None)
            self._drop(schema, "if", path, "if, then and else are not supported")
        for keyword in UNHELD:
            if keyword in schema:
                self._drop(schema, keyword, path, f"the keyword {keyword} is not supported")
        if isinstance(schema.get("required"), bool):
            self._drop(schema, "required", path, "required is a list of names")
        self._format(schema, path)
        self._bounds(schema, path)
        for container, key, inner in list(below(schema, path)):
            self._read(container[key], inner)  # type: ignore[index]

    def _drop(self, schema: dict[str, Any], keyword: str, path: str, why: str) -> None:
        where = joined(path, keyword)
        if self._strict:
            raise SchemaError(where, f"{why}; without strict: true it is loosened")
        del schema[keyword]
        if keyword == "patternProperties":
            schema["additionalProperties"] = True  # the names that it would match may have any value
        self.named.append(where)

    def _format(self, schema: dict[str, Any], path: str) -> None:
        """Take a format that is not known for what JSON Schema calls it, an annotation."""
        form, kind = schema.get("format"), schema.get("type")
        if form is None or form in FORMATS:
            return
        kinds = kind if isinstance(kind, list) else [kind]
        if self._strict and "string" in kinds:
            known = ", ".join(sorted(FORMATS))
            raise SchemaError(joined(path, "format"), f"{form!r:.60} is not supported with strict: true; use {known}")
        del schema["format"]

    def _bounds(self, schema: dict[str, Any], path: str) -> None:
        """Drop bounds that llguidance would silently move outward, as float64, or cut to 64 bits."""
        for keyword, (inward, step) in BOUNDS.items():
            bound = schema.get(keyword)
            if not isinstance(bound, int) or isinstance(bound, bool):
                continue
            wanted, held = bound + step, _held(_held(bound) + step)
            if not inward(held, wanted) or (held != wanted and not self._strict):
                self._drop(schema, keyword, path, f"integers beyond {1 << 53} are held as floating point")

    # -- what llguidance refuses for other reasons

    def _find(self, why: str) -> None:
        """Look for the schemas at fault one by one, from the inside out, and loosen what can be loosened."""
        documents = list(schemas_in(self.schema))[:MAX_LOOKED_AT]
        for schema, path in documents:
            self._one(schema, path)
        if CIRCULAR in why:
            for schema, path in documents:
                self._only_reference(schema, path)
        for schema, path in documents:
            self._one_of(schema, path)
        why = self._problem(self.schema)
        if not why:
            return
        found = [(p, self._problem(self._with_definitions(s))) for s, p in documents]
        same = next((p for p, other in found if other == why), None)
        raise SchemaError(next((p for p, other in found if other), "") if same is None else same, in_words(why))

    def _one(self, schema: dict[str, Any], path: str) -> None:
        """Loosen keywords of one schema, whatever is below it."""
        alone = _alone(schema)
        why = self._problem(alone) if any(key in alone for key in DROPPABLE) else ""
        if not why or is_unsatisfiable(why):
            return  # an alternative that nothing fits does no harm
        found = [key for key in DROPPABLE if key in alone]
        guilty = [key for key in found if not self._problem({k: v for k, v in alone.items() if k != key})][:1] or found
        if is_malformed(why) and not _is_valid(guilty[0], schema[guilty[0]]):
            raise SchemaError(joined(path, guilty[0]), in_words(why))
        for key in guilty:
            self._drop(schema, key, path, in_words(why))

    def _only_reference(self, schema: dict[str, Any], path: str) -> None:
        """Loosen what stands beside a reference."""
        for key in [key for key in schema if key not in ("$defs", "definitions")] if "$ref" in schema else ():
            if key != "$ref":
                self._drop(schema, key, path, "a $ref that leads back to its own schema can have no keywords beside it")

    def _one_of(self, schema: dict[str, Any], path: str) -> None:
        """Take ``oneOf`` as ``anyOf`` where a value may fit two of its schemas."""
        if "oneOf" not in schema or OVERLAP not in (why := self._problem(self._with_definitions(schema))):
            return
        if self._strict:
            raise SchemaError(joined(path, "oneOf"), f"{in_words(why)}; without strict: true it is loosened")
        self.named.append(joined(path, "oneOf"))
        alternatives = {"anyOf": schema.pop("oneOf")}
        if "anyOf" in schema:
            schema["allOf"] = [*schema.get("allOf", []), alternatives]
        else:
            schema.update(alternatives)

    def _with_definitions(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema as a document of its own, in which references to definitions lead somewhere."""
        root = self.schema if isinstance(self.schema, dict) else {}
        return {**{key: root[key] for key in ("$defs", "definitions") if key in root}, **schema}


def _alone(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with anything in place of the schemas below it."""
    left_out = ("$ref", "allOf", "anyOf", "oneOf", "$defs", "definitions", "$id", "$schema", "properties", "required")
    out = {key: value for key, value in schema.items() if key not in left_out}
    if {"minProperties", "maxProperties"} & out.keys():  # which depend on what is required
        out |= {key: schema[key] for key in ("required",) if key in schema}
        if isinstance(schema.get("properties"), dict):
            out["properties"] = dict.fromkeys(schema["properties"], True)
    if isinstance(out.get("patternProperties"), dict):
        out["patternProperties"] = dict.fromkeys(out["patternProperties"], True)
    for key in ("items", "additionalProperties"):
        out[key] = out.get(key) is not False
    if isinstance(out.get("prefixItems"), list):
        out["prefixItems"] = [True] * len(out["prefixItems"])
    return out


def _is_valid(keyword: str, value: Any) -> bool:
    """Return whether the value of a keyword that llguidance does not read may still be meant."""
    if keyword == "pattern":
        return isinstance(value, str) and _is_pattern(value)
    if keyword == "patternProperties":
        return isinstance(value, dict) and all(map(_is_pattern, value))
    return keyword in COUNTS and isinstance(value, int) and value >= 0  # a large one


def _is_pattern(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(text)
        except (re.error, OverflowError, RecursionError):
            return False
    return True


def _check_shape(schema: dict[str, Any], path: str) -> None:
    for container, key, inner in below(schema, path):
        is_list = key == "items" and isinstance(schema["items"], list)
        if not is_list and not isinstance(container[key], (dict, bool)):  # type: ignore[index]
            raise SchemaError(inner, "a schema is an object or a boolean")
    kind = schema.get("type", "string")
    for name in kind if isinstance(kind, list) else [kind]:
        if not isinstance(name, str) or name not in TYPES:
            raise SchemaError(joined(path, "type"), f"{name!r:.40} is not one of {', '.join(sorted(TYPES))}")
