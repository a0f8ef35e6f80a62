"""Fields that say what an output must look like: ``response_format`` and ``structured_outputs``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import msgspec
from frameworkctl.interfaces import Constraint, bad

KINDS: tuple[Literal["json", "regex", "choice", "grammar", "json_object", "structural_tag"], ...] = (
    "json",
    "regex",
    "choice",
    "grammar",
    "json_object",
    "structural_tag",
)


class JsonSchemaFormat(msgspec.Struct):
    """``response_format.json_schema``."""

    name: str
    schema: dict[str, Any] | bool | None = None
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(msgspec.Struct):
    """``response_format``. ``format``, or ``structures`` and ``triggers``, are the members of a structural tag.

    ``schema`` next to ``type`` is llama.cpp's and Together's form of a JSON Schema.
    """

    type: Literal["text", "json_object", "json_schema", "structural_tag"]
    json_schema: JsonSchemaFormat | None = None
    format: dict[str, Any] | None = None
    structures: list[dict[str, Any]] | None = None
    triggers: list[str] | None = None
    schema: Annotated[dict[str, Any] | bool | None, msgspec.Meta(extra={"alias": True})] = None


class StructuredOutputs(msgspec.Struct):
    """``structured_outputs``: exactly one of the first six, and how JSON is written."""

    json: str | dict[str, Any] | None = None
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    json_object: bool | None = None
    structural_tag: str | dict[str, Any] | None = None
    disable_any_whitespace: bool | None = None
    disable_additional_properties: bool | None = None
    whitespace_pattern: str | None = None


def constraint_of(
    response_format: ResponseFormat | None, structured_outputs: StructuredOutputs | None
) -> Constraint | None:
    """Return the one constraint of a request, None if it has none.

    ``structured_outputs`` may stand next to ``response_format`` if it only says how JSON is written.

    Raises:
        RequestError: 400 for none or two kinds in ``structured_outputs``, for both fields, or a member that is missing.
    """
    wanted = None if response_format is None else _of_format(response_format)
    if structured_outputs is None or wanted is None:
        return wanted if structured_outputs is None else _of_structured(structured_outputs)
    if _kinds(structured_outputs):
        raise bad("structured_outputs", "structured_outputs and response_format cannot both constrain the output.")
    return msgspec.structs.replace(wanted, **_options(structured_outputs))


def _of_format(given: ResponseFormat) -> Constraint | None:
    if given.type == "text":
        for name in ("json_schema", "schema"):
            if getattr(given, name) is not None:
                path = f"response_format.{name}"
                raise bad(path, f"{path} needs response_format.type 'json_schema', not 'text'.")
        return None
    if given.type in ("json_object", "json_schema"):
        return _of_schema(given)
    if given.format is not None:
        tag: dict[str, Any] = {"format": given.format}
    elif given.structures and given.triggers:
        tag = {"structures": given.structures, "triggers": given.triggers}
    else:
        raise bad("response_format", "a structural tag needs 'format', or 'structures' and 'triggers'.")
    return Constraint(kind="structural_tag", value=tag, param="response_format")


def _of_schema(given: ResponseFormat) -> Constraint:
    """Return the constraint by the schema of either form; ``json_object`` may do without."""
    path = "response_format.json_schema"
    if given.json_schema is not None and given.json_schema.schema is not None:
        if given.schema is not None:
            raise bad("response_format.schema", f"response_format.schema and {path}.schema cannot both be given.")
        strict = bool(given.json_schema.strict)
        return Constraint(kind="json", value=given.json_schema.schema, param=f"{path}.schema", strict=strict)
    if given.schema is not None:
        return Constraint(kind="json", value=given.schema, param="response_format.schema")
    if given.type == "json_object":
        return Constraint(kind="json_object", param="response_format")
    if given.json_schema is None:
        raise bad(path, f"{path} is required when response_format.type is 'json_schema'.")
    raise bad(f"{path}.schema", f"{path}.schema is required.")


def _kinds(given: StructuredOutputs) -> list[str]:
    """Return the kinds of constraints that are given. Only true is an object; false asks for nothing."""
    return [kind for kind in KINDS if getattr(given, kind) is not None and getattr(given, kind) is not False]


def _options(given: StructuredOutputs) -> dict[str, Any]:
    """Return how JSON is to be written, by the names of ``Constraint``."""
    return {
        "any_whitespace": not given.disable_any_whitespace,
        "additional_properties": not given.disable_additional_properties,
        "whitespace_pattern": given.whitespace_pattern,
    }


def _of_structured(given: StructuredOutputs) -> Constraint:
    kinds = _kinds(given)
    if len(kinds) != 1:
        said = f"got {', '.join(kinds)}" if kinds else "got none"
        raise bad("structured_outputs", f"structured_outputs needs exactly one of {', '.join(KINDS)}; {said}.")
    kind = cast("Literal['json']", kinds[0])
    return Constraint(
        kind=kind,
        value=None if kinds[0] == "json_object" else getattr(given, kind),
        param=f"structured_outputs.{kind}",
        **_options(given),
    )
