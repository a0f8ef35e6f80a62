"""The chat endpoint: messages in, an assistant's message out."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import msgspec
from frameworkctl.interfaces import (
    Call,
    Endpoint,
    Formatter,
    GenerateItem,
    Register,
    RequestError,
    Route,
    ServedModel,
    Work,
    bad,
    hookimpl,
)

from frameworkctl_endpoints.beam_search import beam_search
from frameworkctl_endpoints.field_checks import check_fields
from frameworkctl_endpoints.generation_fields import fields

from .call_constraints import strict_calls
from .format import ChatFormatter
from .reasoning import constraint_after_reasoning, needs_special_tokens, reasoning_context, stop_fields, template_kwargs
from .request import CHAT_UNSUPPORTED, ChatRequest
from .tools import call_constraint, schema_parts, tool_use

log = logging.getLogger("frameworkctl.chat")


class ChatEndpoint(Endpoint):
    """OpenAI's chat completion API, as vLLM extends it."""

    family: ClassVar[str] = "chat"
    tasks: ClassVar[frozenset[str]] = frozenset({"generate"})
    routes: ClassVar[tuple[Route, ...]] = (
        Route(method="POST", path="/v1/chat/completions", request=ChatRequest, summary="Answer a conversation"),
    )

    def parse(self, call: Call) -> ChatRequest:
        request: ChatRequest = super().parse(call)
        check_fields(request, call, CHAT_UNSUPPORTED)
        if request.continue_final_message and request.add_generation_prompt:
            raise bad("continue_final_message", "continue_final_message and add_generation_prompt cannot both be true.")
        if request.top_logprobs and not request.logprobs:
            raise RequestError("top_logprobs needs logprobs=true.", param="top_logprobs", code="invalid_value")
        if tool_use(request).choice == "named" and request.structured_outputs:
            raise bad("structured_outputs", "structured_outputs is not possible with a tool_choice that names a tool.")
        return request

    def waits(self, request: ChatRequest) -> bool:
        own_template = bool(request.chat_template) or "chat_template" in (request.chat_template_kwargs or ())
        return own_template or any(map(_has_embeds, request.messages))

    def render(self, request: ChatRequest, model: ServedModel) -> Work:
        use = tool_use(request)
        use.check_model(model)
        prompt = model.render_chat(
            request.messages,
            tools=use.shown(model),
            template_kwargs=template_kwargs(request),
            chat_template=request.chat_template,
            documents=request.documents,
            add_generation_prompt=request.begins_reply,
            continue_final_message=bool(request.continue_final_message),
            add_special_tokens=bool(request.add_special_tokens),
            truncate=request.truncate_prompt_tokens,
            truncation_side=request.truncation_side,
        )
        for name in ("echo", "prompt_logprobs", "use_beam_search") if prompt.embeds is not None else ():
            if (value := getattr(request, name)) is not None and value is not False:
                raise bad(name, f"{name} is not possible with prompt_embeds.")
        values = fields(request)
        if request.max_completion_tokens is not None:
            values["max_tokens"] = request.max_completion_tokens
        values["logprobs"] = (request.top_logprobs or 0) if request.logprobs else None
        if request.echo and request.prompt_logprobs is None and not (request.stream or request.use_beam_search):
            values["prompt_logprobs"] = request.top_logprobs or 0
        if needs_special_tokens(use, model):
            values["skip_special_tokens"] = False
        constraint, held = call_constraint(use, model), use.demanded
        if constraint is not None and values["constraint"] is not None:
            log.warning("response_format has no effect: tool_choice demands a call")
        own = values["constraint"] if constraint is None else None
        if constraint is None and own is None and use.choice == "auto":
            constraint = strict_calls(use.tools, model, parallel=use.parallel, only=use.only)
            held = tuple(tool for tool in use.tools if tool.strict)
        if constraint is not None:
            constraint = msgspec.structs.replace(constraint, parts=schema_parts(request.tools, held))
        constraint = constraint or own
        context = reasoning_context(request, prompt, constrained=constraint is not None)
        if constraint is not None:
            values["constraint"] = constraint_after_reasoning(constraint, model, context)
        values.update(stop_fields(model, context))
        if request.use_beam_search:
            item = beam_search(request, prompt, model, values)
        else:
            item = GenerateItem(
                prompt=prompt,
                params=model.sampling(prompt, values),
                priority=request.priority or 0,
                cache_salt=request.cache_salt,
            )
        return Work(items=[item], stream=bool(request.stream), stream_interval=request.stream_interval or 1)

    def format(self, request: ChatRequest, work: Work, model: ServedModel, call: Call) -> Formatter:
        return ChatFormatter(request, work, model, call)


def _has_embeds(message: Any) -> bool:
    """Return whether a message brings embeddings, which the engine reads."""
    content = message.get("content") if isinstance(message, dict) else None
    parts = content if isinstance(content, list) else ()
    return any(isinstance(part, dict) and "prompt_embeds" in (part.get("type"), *part) for part in parts)


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(ChatEndpoint)
