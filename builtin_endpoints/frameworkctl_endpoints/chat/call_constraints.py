"""Constraints of calls to the schemas of their tools: in the model's own format if a grammar can say it, else JSON."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from frameworkctl.interfaces import CallBegin, CallFormat, Constraint, FunctionTool, ServedModel

_MARKER = re.compile(r"(<[^<>\s]+>|\[[A-Z_/]+\])")
_TEXT = "/(.|\\n)+/"


def forced_call(tool: FunctionTool, model: ServedModel) -> Constraint:
    """Constrain the output to one call of this function."""
    if (formats := _native(model, [tool])) is None:
        return _json(_schema(tool))
    return _Grammar([tool], formats, model).constraint("FIRST call LAST")


def forced_calls(tools: Sequence[FunctionTool], model: ServedModel, *, parallel: bool) -> Constraint:
    """Constrain the output to calls of any of these functions; to one, if they may not be ``parallel``."""
    if (formats := _native(model, tools)) is None:
        return _json(_list_of_calls(tools, parallel=parallel))
    return _Grammar(tools, formats, model).constraint(f"FIRST {_calls(parallel)} LAST")


def strict_calls(
    tools: Sequence[FunctionTool], model: ServedModel, *, parallel: bool, only: bool = False
) -> Constraint | None:
    """Return the constraint of free text in which calls match the schemas of their tools, if these are strict.

    None when no tool is strict, unless ``only`` these tools may be called, or when the format cannot write the calls.
    """
    held = [tool if tool.strict else FunctionTool(name=tool.name, parameters={}) for tool in tools]
    if not (only or any(tool.strict for tool in tools)) or (formats := _native(model, held)) is None:
        return None
    form = formats[0]
    marked = bool(form.trigger) and model.tokenizer.token_to_id(form.trigger) is not None
    if marked or form.bare is not None:
        section = f"FIRST {_calls(parallel)} LAST" if form.last else "FIRST call LAST"
        free = f"({section} TEXT?){'*' if parallel else '?'}" if marked else ""
        ways = [f"BEFORE? {free}", *([f"bare {_more(parallel)} BARE_END TEXT?"] if form.bare else [])]
        return _Grammar(held, formats, model).constraint(" | ".join(ways))
    tags = [_tag(tool, form) for tool, form in zip(held, formats, strict=True)]
    tag = {"type": "triggered_tags", "triggers": [form.trigger], "tags": tags, "stop_after_first": not parallel}
    return Constraint(kind="structural_tag", value={"format": tag}, param="tools")


def writes_natively(model: ServedModel, tools: Sequence[FunctionTool]) -> bool:
    """Return whether forced calls come in the model's own format."""
    return _native(model, tools) is not None


def _native(model: ServedModel, tools: Sequence[FunctionTool]) -> list[CallFormat] | None:
    write = None if model.tool_parser is None else model.tool_parser.call_format
    formats = [] if write is None else [form for tool in tools if (form := write(tool)) is not None]
    if not formats or len(formats) != len(tools):
        return None
    return formats if all(map(_reads_back, itertools.repeat(model), tools, formats)) else None


def _reads_back(model: ServedModel, tool: FunctionTool, form: CallFormat) -> bool:
    """Return whether the format's parser finds the tool's name again: a format may have no way to write it."""
    assert model.tool_parser is not None
    for arguments in ("{}", ""):
        parser = model.tool_parser.parser([tool])
        events = [*parser.feed(f"{form.first}{form.begin}{arguments}{form.end}{form.last}"), *parser.finish()]
        if [event.name for event in events if isinstance(event, CallBegin)] == [tool.name]:
            return True
    return False


def _calls(parallel: bool) -> str:
    return f"call {_more(parallel)}"


def _more(parallel: bool) -> str:
    return "(BETWEEN call)*" if parallel else ""


class _Grammar:
    """Calls in Lark. Markers that are tokens of the model are named as such: as text it would not write them so."""

    def __init__(self, tools: Sequence[FunctionTool], formats: Sequence[CallFormat], model: ServedModel) -> None:
        self.formats, self.tools = formats, tools
        self.tokenizer = model.tokenizer

    def constraint(self, start: str) -> Constraint:
        form = self.formats[0]
        texts = {"FIRST": form.first, "BETWEEN": form.between, "LAST": form.last}
        texts["BARE_END"] = form.bare[1] if form.bare else ""
        start = re.sub(r"[A-Z_]+", lambda m: self._quoted(texts[m[0]]) if m[0] in texts else m[0], start)
        rules = [f"start: {start}", "call: " + " | ".join(f"call{i}" for i in range(len(self.formats)))]
        if "bare" in start:  # its beginning in one piece: the longest terminal counts, which could be free text
            rules.append("bare: " + " | ".join(f"BARE{i} rest{i}" for i in range(len(self.formats))))
            rules += [f"BARE{i}: /{bare}/" for i, bare in enumerate(self._bare())]
        for i, (call, tool) in enumerate(zip(self.formats, self.tools, strict=True)):
            json = f"%json {msgspec.json.encode(_schema(tool)).decode()}"
            arguments = f"%lark {{\n{call.arguments}\n}}" if call.arguments else json
            rules.append(f"rest{i}: {arguments} {self._quoted(call.end)}")
            rules.append(f"call{i}: {self._quoted(call.begin)} rest{i}")
        return Constraint(kind="grammar", value="\n".join(rules + self._terminals(start)), param="tools")

    def _bare(self) -> list[str]:
        return [f"\\s*{_escaped(form.bare[0] + form.begin)}" for form in self.formats if form.bare]

    def _terminals(self, start: str) -> list[str]:
        """Free text, without what a parser would take for calls; BEFORE is the first of it."""
        form = self.formats[0]
        apart = [f"(.|\\n)*{_escaped(text)}(.|\\n)*" for text in (form.trigger, *form.apart) if text]
        begun = [f"{bare}(.|\\n)*" for bare in self._bare()]
        all_ = {
            "TEXT": " & ".join([_TEXT, *(f"~/{a}/" for a in apart)]),
            "BEFORE": " & ".join([_TEXT, *(f"~/{a}/" for a in (*apart, *begun))]),
        }
        return [f"{name}: {value}" for name, value in all_.items() if re.search(rf"\b{name}\b", start)]

    def _quoted(self, text: str) -> str:
        parts = []
        for piece in filter(None, _MARKER.split(text)):
            token = self.tokenizer.token_to_id(piece) if _MARKER.fullmatch(piece) else None
            parts.append(msgspec.json.encode(piece).decode() if token is None else f"<[{token}]>")
        return " ".join(parts)


def _tag(tool: FunctionTool, form: CallFormat) -> dict[str, Any]:
    content: dict[str, Any] = {"type": "json_schema", "json_schema": _schema(tool)}
    if form.arguments:
        content = {"type": "grammar", "grammar": form.arguments}
    return {"type": "tag", "begin": form.first + form.begin, "content": content, "end": form.end + form.last}


def _escaped(text: str) -> str:
    return re.escape(text).replace("/", "\\/")


def _json(schema: dict[str, Any]) -> Constraint:
    return Constraint(kind="json", value=schema, param="tools")


def _schema(tool: FunctionTool) -> dict[str, Any]:
    """Arguments are an object, whatever the tool says of them; a tool that says nothing takes none."""
    if tool.parameters is None:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    return {"type": "object", **{key: value for key, value in tool.parameters.items() if value is not None}}


def _list_of_calls(tools: Sequence[FunctionTool], *, parallel: bool) -> dict[str, Any]:
    """Return ``[{"name": ..., "parameters": {...}}, ...]``."""
    definitions: dict[str, Any] = {}
    calls = [_named_call(tool, _part(tool, f"tool{i}", definitions)) for i, tool in enumerate(tools)]
    schema = {"type": "array", "minItems": 1, "items": {"anyOf": calls}, "$defs": definitions}
    return schema if parallel else {**schema, "maxItems": 1}


def _part(tool: FunctionTool, name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the tool's schema as part of a larger one: references in it begin elsewhere then."""
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
