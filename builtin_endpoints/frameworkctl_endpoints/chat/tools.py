"""Tools of a chat request: checked, shown to the template, and which parser reads the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec
from frameworkctl.interfaces import Constraint, FunctionTool, RequestError, SchemaPart, ServedModel, ToolParser, bad

from frameworkctl_endpoints.parsing.forced_calls import ListParser, NamedParser

from .call_constraints import forced_call, forced_calls, writes_natively

Choice = Literal["none", "auto", "required", "named"]
MAX_TOOLS = 1024


class FunctionField(msgspec.Struct, omit_defaults=True):
    """A function that the model may call; ``parameters`` is a JSON Schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolField(msgspec.Struct):
    """One of a request's ``tools``."""

    function: FunctionField
    type: Literal["function"] | None = "function"


class ToolRequest(Protocol):
    """The fields that are read here."""

    tools: list[ToolField] | None
    tool_choice: Any
    parallel_tool_calls: bool | None


class ToolUse(msgspec.Struct, frozen=True):
    """Tools of a request and their use. ``name`` is the function that must be called.

    ``only``: there are tools that the model must not call, and ``fields`` are the others.
    """

    choice: Choice
    fields: tuple[FunctionField, ...] = ()
    name: str | None = None
    parallel: bool = True
    only: bool = False

    @property
    def forced(self) -> bool:
        return self.choice in ("required", "named")

    @property
    def tools(self) -> tuple[FunctionTool, ...]:
        return tuple(
            FunctionTool(name=f.name, description=f.description, parameters=f.parameters, strict=bool(f.strict))
            for f in self.fields
        )

    @property
    def demanded(self) -> tuple[FunctionTool, ...]:
        """Return the tools of which one has to be called, if ``forced``."""
        return tuple(t for t in self.tools if self.name in (None, t.name))

    def shown(self, model: ServedModel) -> list[dict[str, Any]] | None:
        """Return the tools as the chat template gets them."""
        if not self.fields or (self.choice == "none" and not model.show_unused_tools):
            return None
        return [{"type": "function", "function": msgspec.to_builtins(field)} for field in self.fields]

    def check_model(self, model: ServedModel) -> None:
        """Raise RequestError if calls could not be told from text."""
        if self.choice == "auto" and (model.tool_parser is None or not model.auto_tool_choice):
            raise RequestError(
                'tool_choice "auto" needs a server that was started with --enable-auto-tool-choice and'
                ' --tool-call-parser; "none", "required" and named functions work without.',
                param="tool_choice",
                code="unsupported_parameter",
            )

    def parser(self, model: ServedModel) -> ToolParser | None:
        """Make the parser of one output; return None if nothing is to be parsed."""
        if self.choice == "none":
            return None
        if model.tool_parser is not None and (self.choice == "auto" or writes_natively(model, self.demanded)):
            return model.tool_parser.parser(self.tools)
        own = None if model.tool_parser is None else model.tool_parser.parser(self.tools)
        return NamedParser(self.name, own) if self.choice == "named" and self.name is not None else ListParser(own)


def tool_use(request: ToolRequest) -> ToolUse:
    """Read and check ``tools``, ``tool_choice`` and ``parallel_tool_calls``.

    Raises:
        RequestError: 400 naming the field.
    """
    if len(request.tools or ()) > MAX_TOOLS:
        raise bad("tools", f"tools must hold at most {MAX_TOOLS} tools.")
    tools = tuple(tool.function for tool in request.tools or ())
    nameless = next((i for i, function in enumerate(tools) if not function.name), None)
    if nameless is not None:
        path = f"tools[{nameless}].function.name"
        raise bad(path, f"{path} must not be empty.")
    choice, parallel = request.tool_choice, request.parallel_tool_calls is not False
    if choice is None:
        return ToolUse("auto" if tools else "none", tools, None, parallel)
    if choice == "none" or (choice == "auto" and not tools):
        return ToolUse("none", tools, None, parallel)
    if not tools:
        raise bad("tool_choice", "tool_choice needs tools.")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        return _allowed(choice.get("allowed_tools"), tools, parallel)
    if choice == "auto":
        return ToolUse("auto", tools, None, parallel)
    if choice == "required":
        return ToolUse("required", tools, None, parallel)
    return ToolUse("named", tools, _named(choice, tools), parallel)


def call_constraint(use: ToolUse, model: ServedModel) -> Constraint | None:
    """Return what holds a call that the request demands to its schema; None where it demands none."""
    if use.choice == "named":
        return forced_call(use.demanded[0], model)
    return forced_calls(use.demanded, model, parallel=use.parallel) if use.choice == "required" else None


def schema_parts(fields: Sequence[ToolField] | None, tools: Sequence[FunctionTool]) -> tuple[SchemaPart, ...]:
    """Return the schemas of those of a request's tools that a constraint was made of, by their place in the request."""
    names = {tool.name for tool in tools}
    numbered = [(i, f.function) for i, f in enumerate(fields or ()) if f.function.name in names]
    return tuple(_part(f"tools[{i}].function.parameters", function) for i, function in numbered if function.parameters)


def _part(param: str, function: FunctionField) -> SchemaPart:
    title = f"of the tool {function.name!r:.60}"
    return SchemaPart(param=param, schema=function.parameters, strict=bool(function.strict), title=title)


def _allowed(given: Any, tools: tuple[FunctionField, ...], parallel: bool) -> ToolUse:
    """Return the use of those tools only that ``allowed_tools`` names; the model is not shown the others."""
    path = "tool_choice.allowed_tools"
    if not isinstance(given, dict) or given.get("mode") not in ("auto", "required"):
        raise bad(f"{path}.mode", f'{path} must be an object with mode "auto" or "required", and tools.')
    listed = given.get("tools")
    if not isinstance(listed, list) or not listed:
        raise bad(f"{path}.tools", f"{path}.tools must be a list of at least one of tools.")
    known, names = {tool.name for tool in tools}, set[str]()
    for i, entry in enumerate(listed):
        function = entry.get("function", entry) if isinstance(entry, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str) or name not in known:
            raise bad(f"{path}.tools[{i}]", f"{path}.tools[{i}] must name one of tools.")
        names.add(name)
    choice: Choice = "required" if given["mode"] == "required" else "auto"
    return ToolUse(choice, tuple(tool for tool in tools if tool.name in names), None, parallel, only=True)


def _named(choice: Any, tools: tuple[FunctionField, ...]) -> str:
    if not isinstance(choice, dict) or choice.get("type", "function") != "function":
        words = '"none", "auto", "required" or {"type": "function", "function": {"name": ...}}'
        raise bad("tool_choice", f"tool_choice must be {words}.")
    function = choice.get("function")
    if not isinstance(function, dict):
        raise bad("tool_choice.function", "tool_choice.function must be an object with the name of a function.")
    name = function.get("name")
    if not isinstance(name, str):
        raise bad("tool_choice.function.name", "tool_choice.function.name must be the name of a function.")
    if all(tool.name != name for tool in tools):
        raise bad("tool_choice", f"tool_choice names {name!r:.80}, which is none of tools.")
    return name
