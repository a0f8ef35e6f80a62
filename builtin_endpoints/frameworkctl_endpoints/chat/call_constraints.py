"""What holds calls to the schemas of their tools: in the model's own format where a grammar can say it, else JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from frameworkctl.interfaces import CallFormat, Constraint, FunctionTool, ServedModel

_MARKER = re.compile(r"(<[^<>\s]+>|\[[A-Z_/]+\])")
FormatOf = Callable[[FunctionTool], CallFormat]


def forced_call(tool: FunctionTool, model: ServedModel) -> Constraint:
    """The output is one call of this function."""
    if (write := _native(model)) is None:
        return _json(_schema(tool))
    return _Grammar([tool], write, model).constraint("FIRST call LAST")


def forced_calls(tools: Sequence[FunctionTool], model: ServedModel, *, parallel: bool) -> Constraint:
    """The output is calls of any of these functions; one, if they may not be ``parallel``."""
    if (write := _native(model)) is None:
        return _json(_list_of_calls(tools, parallel=parallel))
    more = "(BETWEEN call)*" if parallel else ""
    return _Grammar(tools, write, model).constraint(f"FIRST call {more} LAST")


def strict_calls(tools: Sequence[FunctionTool], model: ServedModel, *, parallel: bool) -> Constraint | None:
    """Free text, in which a call that begins is held to its schema; None where no tool is strict, or it cannot be."""
    write = _native(model)
    if write is None or not any(tool.strict for tool in tools):
        return None
    held = [tool if tool.strict else FunctionTool(name=tool.name, parameters={}) for tool in tools]
    trigger = write(held[0]).trigger
    if model.tokenizer.token_to_id(trigger) is not None:  # no text has it, so it tells where calls are
        section = "FIRST call LAST"
        return _Grammar(held, write, model).constraint(f"TEXT? ({section} TEXT?){'*' if parallel else '?'}")
    tags = [_tag(tool, write(tool)) for tool in held]
    form = {"type": "triggered_tags", "triggers": [trigger], "tags": tags, "stop_after_first": not parallel}
    return Constraint(kind="structural_tag", value={"format": form}, param="tools")


def writes_natively(model: ServedModel) -> bool:
    """Whether forced calls come in the model's own format."""
    return _native(model) is not None


def _native(model: ServedModel) -> FormatOf | None:
    return None if model.tool_parser is None else model.tool_parser.call_format


class _Grammar:
    """Calls in Lark. Markers that are tokens of the model are named as such: as text it would not write them so."""

    def __init__(self, tools: Sequence[FunctionTool], write: FormatOf, model: ServedModel) -> None:
        self.formats = [write(tool) for tool in tools]
        self.schemas = [_schema(tool) for tool in tools]
        self.tokenizer = model.tokenizer

    def constraint(self, start: str) -> Constraint:
        form = self.formats[0]
        for name, text in (("FIRST", form.first), ("BETWEEN", form.between), ("LAST", form.last)):
            start = start.replace(name, self._quoted(text))
        rules = [f"start: {start}", "call: " + " | ".join(f"call{i}" for i in range(len(self.formats)))]
        for i, (call, schema) in enumerate(zip(self.formats, self.schemas, strict=True)):
            arguments = f"%json {msgspec.json.encode(schema).decode()}"
            rules.append(f"call{i}: {self._quoted(call.begin)} {arguments} {self._quoted(call.end)}")
        if "TEXT" in start:
            rules.append("TEXT: /(.|\\n)+/")
        return Constraint(kind="grammar", value="\n".join(rules), param="tools")

    def _quoted(self, text: str) -> str:
        parts = []
        for piece in filter(None, _MARKER.split(text)):
            token = self.tokenizer.token_to_id(piece) if _MARKER.fullmatch(piece) else None
            parts.append(msgspec.json.encode(piece).decode() if token is None else f"<[{token}]>")
        return " ".join(parts)


def _tag(tool: FunctionTool, form: CallFormat) -> dict[str, Any]:
    content = {"type": "json_schema", "json_schema": _schema(tool)}
    return {"type": "tag", "begin": form.first + form.begin, "content": content, "end": form.end + form.last}


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
