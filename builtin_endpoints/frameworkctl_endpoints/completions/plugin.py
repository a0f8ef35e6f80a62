"""The completions endpoint: prompts in, continuations out."""

from __future__ import annotations

from typing import Any, ClassVar

from frameworkctl.interfaces import (
    Call,
    Endpoint,
    Formatter,
    GenerateItem,
    Prompt,
    Register,
    RequestError,
    Route,
    ServedModel,
    Work,
    hookimpl,
)

from ..generation_fields import UNSUPPORTED, GenerationFields, check_fields, fields
from .format import CompletionFormatter

MAX_PROMPTS = 1024
DEFAULT_MAX_TOKENS = 16


class CompletionRequest(GenerationFields, kw_only=True):
    """The body of ``POST /v1/completions``; ``prompt`` is a text, token ids, or a list of either."""

    prompt: str | list[Any] | None = None
    n: int = 1
    logprobs: int | bool | None = None
    add_special_tokens: bool = True
    best_of: Any = None
    suffix: Any = None
    prompt_embeds: Any = None


class CompletionsEndpoint(Endpoint):
    """OpenAI's older text completion API, as vLLM extends it."""

    family: ClassVar[str] = "completions"
    tasks: ClassVar[frozenset[str]] = frozenset({"generate"})
    routes: ClassVar[tuple[Route, ...]] = (
        Route(method="POST", path="/v1/completions", request=CompletionRequest, summary="Continue prompts"),
    )

    def parse(self, call: Call) -> CompletionRequest:
        request: CompletionRequest = super().parse(call)
        check_fields(request, (*UNSUPPORTED, "best_of", "suffix", "prompt_embeds"))
        return request

    def render(self, request: CompletionRequest, model: ServedModel) -> Work:
        values = fields(request)
        values["logprobs"] = None if request.logprobs is None else int(request.logprobs)
        items = []
        for prompt in self._prompts(request, model):
            params = model.sampling(prompt, values, default_max_tokens=DEFAULT_MAX_TOKENS)
            items.append(GenerateItem(prompt=prompt, params=params))
        return Work(items=items, stream=bool(request.stream))

    def _prompts(self, request: CompletionRequest, model: ServedModel) -> list[Prompt]:
        given = request.prompt
        if not given:
            raise RequestError(
                "prompt must be a text or token ids, and not be empty.", param="prompt", code="invalid_value"
            )
        if isinstance(given, str) or all(type(x) is int for x in given):
            return [model.encode_prompt(given, add_special_tokens=request.add_special_tokens)]
        if len(given) > MAX_PROMPTS:
            raise RequestError(f"At most {MAX_PROMPTS} prompts are possible.", param="prompt", code="invalid_value")
        return [self._one(p, i, request, model) for i, p in enumerate(given)]

    def _one(self, prompt: Any, index: int, request: CompletionRequest, model: ServedModel) -> Prompt:
        path = f"prompt[{index}]"
        if not isinstance(prompt, str) and not (isinstance(prompt, list) and all(type(x) is int for x in prompt)):
            raise RequestError(f"{path} must be a text or a list of token ids.", param=path, code="invalid_type")
        return model.encode_prompt(prompt, add_special_tokens=request.add_special_tokens, param=path)

    def format(self, request: CompletionRequest, work: Work, model: ServedModel, call: Call) -> Formatter:
        return CompletionFormatter(request, work, model, call)


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(CompletionsEndpoint)
