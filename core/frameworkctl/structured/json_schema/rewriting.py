"""JSON Schemas as libraries write them, in the words that llguidance reads.

A rewritten schema accepts the same documents: older drafts and OpenAPI in the form of today, and without keywords that
say nothing. Each function changes one schema in place, not those below it.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

MAX_NAMES = 256  # of an enumeration of property names that are written out
DATA = ("const", "default", "example")  # null is a value there
COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
# Keywords beside which unevaluatedProperties and unevaluatedItems see more than the neighbouring keywords do.
IN_PLACE = (
    *("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref", "$dynamicRef", "$recursiveRef"),
    *("dependentSchemas", "dependencies"),
)
IDLE: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("unevaluatedProperties", "unevaluatedItems", "propertyNames"), (True, {})),
    **dict.fromkeys(("dependentRequired", "dependentSchemas", "dependencies"), ({},)),
    **dict.fromkeys(("uniqueItems", "not", "required", "nullable", "$recursiveAnchor"), (False,)),
    **dict.fromkeys(("minLength", "minItems", "minProperties"), (0,)),
}


def rewrite(schema: dict[str, Any], root: Any) -> None:
    """Change one schema of the document ``root``, in place, into one that means the same in fewer kinds of keywords."""
    for key in [key for key, value in schema.items() if value is None and key not in DATA]:
        del schema[key]  # a client's way to leave a field out
    _drafts(schema)
    _idle(schema)
    _exclusive_bounds(schema)
    for key in COUNTS:
        if isinstance(schema.get(key), float) and schema[key].is_integer():
            schema[key] = int(schema[key])
    _unevaluated(schema)
    _names(schema, root)
    _nullable(schema)


def _drafts(schema: dict[str, Any]) -> None:
    """Leave out which draft it is, unless the draft changes how its references are read."""
    draft = schema.get("$schema")
    if not (isinstance(draft, str) and "json-schema.org/draft-0" in draft):
        schema.pop("$schema", None)
    if "$dynamicRef" not in schema:
        schema.pop("$dynamicAnchor", None)


def _idle(schema: dict[str, Any]) -> None:
    """Leave out keywords whose values say nothing."""
    for key, values in IDLE.items():
        if key in schema and any(type(schema[key]) is type(v) and schema[key] == v for v in values):
            del schema[key]
    if schema.get("minContains") == 0 and "maxContains" not in schema:
        schema.pop("contains", None)
    if "contains" not in schema:
        schema.pop("minContains", None)
        schema.pop("maxContains", None)
    if "if" not in schema or not {"then", "else"} & schema.keys():
        for key in ("if", "then", "else"):
            schema.pop(key, None)


def _exclusive_bounds(schema: dict[str, Any]) -> None:
    """Write the bounds of draft 4, a number beside a boolean, as one number."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and bound in schema:
            schema[exclusive] = schema.pop(bound)


def _unevaluated(schema: dict[str, Any]) -> None:
    """Write unevaluated members as additional ones, if no keyword beside them evaluates any."""
    if any(key in schema for key in IN_PLACE):
        return
    if "unevaluatedProperties" in schema and "additionalProperties" not in schema:
        schema["additionalProperties"] = schema.pop("unevaluatedProperties")
    if "unevaluatedItems" in schema and not {"items", "contains", "additionalItems"} & schema.keys():
        schema["items"] = schema.pop("unevaluatedItems")


def _names(schema: dict[str, Any], root: Any) -> None:
    """Write an enumeration of names, or a pattern of them, as the properties themselves."""
    names = _definition(schema.get("propertyNames"), root)
    if not isinstance(names, dict) or {"properties", "patternProperties"} & schema.keys():
        return
    said = {key: value for key, value in names.items() if key not in ("title", "description", "default")}
    if said.get("type") == "string":
        del said["type"]
    value = schema.get("additionalProperties", True)
    match said:
        case {"enum": list(allowed), **rest} if not rest and _are_names(allowed):
            schema["properties"] = {name: deepcopy(value) for name in allowed}
        case {"const": str(allowed), **rest} if not rest:
            schema["properties"] = {allowed: value}
        case {"pattern": str(pattern), **rest} if not rest:
            schema["patternProperties"] = {pattern: value}
        case _:
            return
    del schema["propertyNames"]
    schema["additionalProperties"] = False


def _definition(schema: Any, root: Any) -> Any:
    """Return the definition that a schema refers to, if it is nothing but a reference to one of the document's."""
    match schema:
        case {"$ref": str(pointer), **rest} if not rest and pointer.startswith(("#/$defs/", "#/definitions/")):
            keyword, _, name = pointer[2:].partition("/")
            return (root.get(keyword) or {}).get(name)
    return schema


def _are_names(values: list[Any]) -> bool:
    return len(values) <= MAX_NAMES and all(isinstance(value, str) for value in values)


def _nullable(schema: dict[str, Any]) -> None:
    """Write OpenAPI's ``nullable`` as a type, or as an alternative where the schema has no type of its own."""
    if schema.pop("nullable", None) is not True:
        return
    kind = schema.get("type")
    if isinstance(kind, str | list):
        kinds = [kind] if isinstance(kind, str) else kind
        schema["type"] = kinds if "null" in kinds else [*kinds, "null"]
    elif kind is None and {"$ref", "allOf", "anyOf", "oneOf"} & schema.keys():
        names = [key for key in ("$defs", "definitions", "$schema", "$id") if key in schema]
        kept: dict[str, Any] = {key: schema.pop(key) for key in names}
        inner = dict(schema)
        schema.clear()
        schema.update({**kept, "anyOf": [inner, {"type": "null"}]})
