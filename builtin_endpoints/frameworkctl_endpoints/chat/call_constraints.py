"""What holds calls to the schemas of their tools: in the model's own format where a grammar can say it, else JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from frameworkctl.interfaces import CallFormat, Constraint, FunctionTool, ServedModel

FormatOf = Callable[[FunctionTool], CallFormat]


def forced_call(tool: FunctionTool, model: ServedModel) -> Constraint:
    """The output is one call of this function."""
    if (write := _native(model)) is None:
        return _json(_schema(tool))
    call = write(tool)
    return _tag(_sequence(call.first, _call(tool, call), call.last))


def forced_calls(tools: Sequence[FunctionTool], model: ServedModel, *, parallel: bool) -> Constraint:
    """The output is calls of any of these functions; one, if they may not be ``parallel``."""
    if (write := _native(model)) is None:
        return _json(_list_of_calls(tools, parallel=parallel))
    formats = [write(tool) for tool in tools]
    calls = {
        "type": "tags_with_separator", "separator": formats[0].between, "at_least_one": True,
        "tags": [_call(tool, form) for tool, form in zip(tools, formats, strict=True)],
        "stop_after_first": not parallel,
    }  # fmt: skip
    return _tag(_sequence(formats[0].first, calls, formats[0].last))


def strict_calls(tools: Sequence[FunctionTool], model: ServedModel, *, parallel: bool) -> Constraint | None:
    """Free text, in which a call that begins is held to its schema; None where no tool is strict, or it cannot be."""
    write = _native(model)
    if write is None or not any(tool.strict for tool in tools):
        return None
    formats = [write(tool) for tool in tools]
    tags = []
    for tool, form in zip(tools, formats, strict=True):
        held = tool if tool.strict else FunctionTool(name=tool.name, parameters={})
        tags.append({**_call(held, form), "begin": form.first + form.begin, "end": form.end + form.last})
    triggers = sorted({form.trigger for form in formats})
    return _tag({"type": "triggered_tags", "triggers": triggers, "tags": tags, "stop_after_first": not parallel})


def writes_natively(model: ServedModel) -> bool:
    """Whether forced calls come in the model's own format."""
    return _native(model) is not None


def _native(model: ServedModel) -> FormatOf | None:
    """How the model writes a call; None where markers are special tokens, which grammars over text cannot name."""
    spec = model.tool_parser
    if spec is None or spec.call_format is None:
        return None
    token = model.tokenizer.token_to_id(spec.call_format(FunctionTool(name="f")).trigger)
    special = token is not None and not model.tokenizer.decode([token], skip_special_tokens=True)
    return None if special else spec.call_format


def _call(tool: FunctionTool, form: CallFormat) -> dict[str, Any]:
    content = {"type": "json_schema", "json_schema": _schema(tool)}
    return {"type": "tag", "begin": form.begin, "content": content, "end": form.end}


def _sequence(first: str, middle: dict[str, Any], last: str) -> dict[str, Any]:
    parts = [{"type": "const_string", "value": text} for text in (first, last)]
    elements = [*parts[: bool(first)], middle, *parts[2 - bool(last) :]]
    return {"type": "sequence", "elements": elements} if len(elements) > 1 else middle


def _tag(form: dict[str, Any]) -> Constraint:
    return Constraint(kind="structural_tag", value={"format": form}, param="tools")


def _json(schema: dict[str, Any]) -> Constraint:
    return Constraint(kind="json", value=schema, param="tools")


def _schema(tool: FunctionTool) -> dict[str, Any]:
    """Arguments are an object, whatever the tool says of them; a tool that says nothing takes none."""
    if tool.parameters is None:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    return {"type": "object", **tool.parameters}


def _list_of_calls(tools: Sequence[FunctionTool], *, parallel: bool) -> dict[str, Any]:
    """``[{"name": ..., "parameters": {...}}, ...]``."""
    definitions: dict[str, Any] = {}
    calls = [_named_call(tool, _part(tool, f"tool{i}", definitions)) for i, tool in enumerate(tools)]
    schema = {"type": "array", "minItems": 1, "items": {"anyOf": calls}, "$defs": definitions}
    return schema if parallel else {**schema, "maxItems": 1}


def _part(tool: FunctionTool, name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """The tool's schema as part of a larger one: references in it begin elsewhere then."""
    schema = _schema(tool)
    text = msgspec.json.encode(schema)
    if b'"$ref":"#' not in text:
        return schema
    definitions[name] = msgspec.json.decode(text.replace(b'"$ref":"#', f'"$ref":"#/$defs/{name}'.encode()))
    return {"$ref": f"#/$defs/{name}"}


def _named_call(tool: FunctionTool, parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "parameters": parameters},
        "required": ["name", "parameters"],
        "additionalProperties": False,
    }
