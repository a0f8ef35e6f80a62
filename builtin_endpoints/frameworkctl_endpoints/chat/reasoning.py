"""Reasoning of a chat request, and its effect on templates, parsers and constraints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec
from frameworkctl.interfaces import (
    Call,
    Constraint,
    GenerateItem,
    Prompt,
    ReasoningContext,
    ReasoningParserSpec,
    ServedModel,
)

from .answer import Answer
from .tools import ToolUse

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class ReasoningRequest(Protocol):
    """The fields that are read here."""

    @property
    def reasoning_effort(self) -> Effort | None: ...
    @property
    def include_reasoning(self) -> bool | None: ...
    @property
    def messages(self) -> list[Any]: ...
    @property
    def continue_final_message(self) -> bool | None: ...
    @property
    def chat_template_kwargs(self) -> Any: ...


def template_kwargs(request: ReasoningRequest) -> dict[str, Any]:
    """Variables for the template: the effort, and whether there is to be any; the request's own count more."""
    effort, given = request.reasoning_effort, request.chat_template_kwargs
    out: dict[str, Any] = {}
    if effort is not None:
        out = {"reasoning_effort": effort, "enable_thinking": effort != "none"}
    return {**out, **given} if isinstance(given, Mapping) else out


def reasoning_context(request: ReasoningRequest, prompt: Prompt, *, constrained: bool) -> ReasoningContext:
    """Return what a reasoning parser may know; ``constrained``: the output must match a format."""
    prefill = text_of(request.messages[-1].get("content")) if request.continue_final_message else None
    return ReasoningContext(
        prompt=prompt.text or "", template_kwargs=template_kwargs(request), prefill=prefill, constrained=constrained
    )


def text_of(content: Any) -> str:
    """Return the text of a message's content, in either of its forms."""
    if isinstance(content, list):
        return "".join(part if isinstance(part, str) else str(part.get("text") or "") for part in content)
    return str(content or "")


def constraint_after_reasoning(constraint: Constraint, model: ServedModel, context: ReasoningContext) -> Constraint:
    """Return the constraint for the answer alone: reasoning before it is free, and may be left out."""
    spec = model.reasoning_parser
    if spec is None:
        return constraint
    if _inside(spec, context):
        return msgspec.structs.replace(constraint, ends=spec.ends)
    if spec.starts and (spec.may_begin or spec.reasons)(context):
        return msgspec.structs.replace(constraint, ends=spec.ends, openings=spec.starts)
    return constraint


def stop_fields(model: ServedModel, context: ReasoningContext) -> dict[str, tuple[str, ...]]:
    """Return the sampling fields with which stop strings count in the answer only."""
    spec = model.reasoning_parser
    if spec is None:
        return {}
    if _inside(spec, context) or (spec.reasons(context) and not context.constrained):
        return {"stop_after": spec.ends}
    return {"stop_after": spec.ends, "stop_openings": spec.starts} if spec.starts else {}


def _inside(spec: ReasoningParserSpec, context: ReasoningContext) -> bool:
    """Return whether the output is inside reasoning from its first token on."""
    return spec.opened(context) if spec.opened is not None and spec.starts else spec.reasons(context)


def make_answer(request: ReasoningRequest, use: ToolUse, item: GenerateItem, model: ServedModel, call: Call) -> Answer:
    """Return the reader of one output; the filters of the call see what its parsers make of it."""
    spec, reasoning = model.reasoning_parser, None
    if spec is not None:
        context = reasoning_context(request, item.prompt, constrained=item.params.grammar is not None)
        reasoning = call.guard.reasoning_parser(spec.parser(context))
    tools = use.parser(model)
    return Answer(
        reasoning,
        None if tools is None else call.guard.tool_parser(tools),
        parallel=use.parallel,
        show_reasoning=request.include_reasoning is not False,
        earlier_ids=earlier_call_ids(request.messages),
        allowed={tool.name for tool in use.tools} if use.only else None,
    )


def earlier_call_ids(messages: Sequence[Any]) -> list[str]:
    """Return the ids of the calls in a conversation, in order."""
    lists = [message.get("tool_calls") for message in messages if isinstance(message, Mapping)]
    calls = [call for given in lists if isinstance(given, list) for call in given]
    return [str(call.get("id") or "") for call in calls if isinstance(call, Mapping)]


def needs_special_tokens(use: ToolUse, model: ServedModel) -> bool:
    """Return whether the markers that parsers look for are special tokens, which must not be left out of the text."""
    specs = (None if use.choice == "none" else model.tool_parser, model.reasoning_parser)
    return any(spec is not None and spec.special_tokens for spec in specs)
