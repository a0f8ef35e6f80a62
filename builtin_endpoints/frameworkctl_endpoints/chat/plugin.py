"""The chat endpoint: messages in, an assistant's message out."""

from __future__ import annotations

from typing import Any, ClassVar

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
    hookimpl,
)

from ..generation_fields import UNSUPPORTED, GenerationFields, check_fields, fields
from .format import ChatFormatter

CHAT_UNSUPPORTED = (
    *UNSUPPORTED, "add_generation_prompt", "chat_template", "chat_template_kwargs", "continue_final_message",
    "documents", "function_call", "functions", "mm_processor_kwargs", "modalities", "reasoning_effort", "tool_choice",
    "tools", )  # fmt: skip


class ChatRequest(GenerationFields, kw_only=True):
    """The body of ``POST /v1/chat/completions``."""

    messages: list[Any]
    max_completion_tokens: int | None = None
    n: int | None = 1
    logprobs: bool | None = False
    top_logprobs: int | None = None

    audio: Any = None
    parallel_tool_calls: Any = None
    prediction: Any = None
    prompt_cache_key: Any = None
    safety_identifier: Any = None
    verbosity: Any = None
    web_search_options: Any = None

    add_generation_prompt: Any = None
    chat_template: Any = None
    chat_template_kwargs: Any = None
    continue_final_message: Any = None
    documents: Any = None
    function_call: Any = None
    functions: Any = None
    mm_processor_kwargs: Any = None
    modalities: Any = None
    reasoning_effort: Any = None
    tool_choice: Any = None
    tools: Any = None


class ChatEndpoint(Endpoint):
    """OpenAI's chat completion API, as vLLM extends it."""

    family: ClassVar[str] = "chat"
    tasks: ClassVar[frozenset[str]] = frozenset({"generate"})
    routes: ClassVar[tuple[Route, ...]] = (
        Route(method="POST", path="/v1/chat/completions", request=ChatRequest, summary="Answer a conversation"),
    )

    def parse(self, call: Call) -> ChatRequest:
        request: ChatRequest = super().parse(call)
        check_fields(request, CHAT_UNSUPPORTED)
        if request.top_logprobs and not request.logprobs:
            raise RequestError("top_logprobs needs logprobs=true.", param="top_logprobs", code="invalid_value")
        return request

    def render(self, request: ChatRequest, model: ServedModel) -> Work:
        prompt = model.render_chat(request.messages)
        values = fields(request)
        if request.max_completion_tokens is not None:
            values["max_tokens"] = request.max_completion_tokens
        values["logprobs"] = (request.top_logprobs or 0) if request.logprobs else None
        params = model.sampling(prompt, values)
        return Work(items=[GenerateItem(prompt=prompt, params=params)], stream=bool(request.stream))

    def format(self, request: ChatRequest, work: Work, model: ServedModel, call: Call) -> Formatter:
        return ChatFormatter(request, work, model, call)


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(ChatEndpoint)
