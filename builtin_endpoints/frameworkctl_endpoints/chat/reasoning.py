"""What a chat request says of reasoning, and what follows from it for templates, parsers and constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from frameworkctl.interfaces import Call, Prompt, ReasoningContext, ServedModel

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
    def chat_template_kwargs(self) -> Any: ...


def template_kwargs(request: ReasoningRequest) -> dict[str, Any]:
    """Variables for the template: the effort, and whether there is to be any; the request's own count more."""
    effort, given = request.reasoning_effort, request.chat_template_kwargs
    out: dict[str, Any] = {}
    if effort is not None:
        out = {"reasoning_effort": effort, "enable_thinking": effort != "none"}
    return {**out, **given} if isinstance(given, Mapping) else out


def reasoning_context(request: ReasoningRequest, prompt: Prompt) -> ReasoningContext:
    return ReasoningContext(prompt=prompt.text or "", template_kwargs=template_kwargs(request))


def constraint_begins_after(model: ServedModel, context: ReasoningContext) -> tuple[int, ...]:
    """The tokens behind which a constraint holds: reasoning is free."""
    spec = model.reasoning_parser
    if spec is None or not spec.reasons(context):
        return ()
    return tuple(model.tokenizer.encode(spec.end, add_special_tokens=False))


def make_answer(request: ReasoningRequest, use: ToolUse, prompt: Prompt, model: ServedModel, call: Call) -> Answer:
    """For one output; the filters of the call see what its parsers make of it."""
    spec = model.reasoning_parser
    reasoning = None if spec is None else call.guard.reasoning_parser(spec.parser(reasoning_context(request, prompt)))
    tools = use.parser(model)
    return Answer(
        reasoning,
        None if tools is None else call.guard.tool_parser(tools),
        parallel=use.parallel,
        show_reasoning=request.include_reasoning is not False,
    )


def needs_special_tokens(use: ToolUse, model: ServedModel) -> bool:
    """Whether the markers that parsers look for are special tokens, which must not be left out of the text."""
    specs = (None if use.choice == "none" else model.tool_parser, model.reasoning_parser)
    return any(spec is not None and spec.special_tokens for spec in specs)
