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
    Route,
    ServedModel,
    Work,
    bad,
    hookimpl,
)

from frameworkctl_endpoints.beam_search import beam_search
from frameworkctl_endpoints.field_checks import check_fields
from frameworkctl_endpoints.generation_fields import fields

from .format import CompletionFormatter
from .request import COMPLETIONS_UNSUPPORTED, CompletionRequest

MAX_PROMPTS = 1024
DEFAULT_MAX_TOKENS = 16


class CompletionsEndpoint(Endpoint):
    """OpenAI's older text completion API, as vLLM extends it."""

    family: ClassVar[str] = "completions"
    tasks: ClassVar[frozenset[str]] = frozenset({"generate"})
    routes: ClassVar[tuple[Route, ...]] = (
        Route(method="POST", path="/v1/completions", request=CompletionRequest, summary="Continue prompts"),
    )

    def parse(self, call: Call) -> CompletionRequest:
        request: CompletionRequest = super().parse(call)
        check_fields(request, call, COMPLETIONS_UNSUPPORTED)
        if request.use_beam_search and request.echo and request.logprobs is not None:
            raise bad("echo", "echo with logprobs is not possible with use_beam_search: no prompt is scored.")
        if request.prompt_embeds:
            for name in ("echo", "prompt_logprobs", "truncate_prompt_tokens", "use_beam_search"):
                if (value := getattr(request, name)) is not None and value is not False:
                    raise bad(name, f"{name} is not possible with prompt_embeds.")
        return request

    def renders_fast(self, request: CompletionRequest) -> bool:
        slow = (request.prompt_embeds, request.response_format, request.structured_outputs, request.bad_words)
        return not any(slow)

    def waits(self, request: CompletionRequest) -> bool:
        return bool(request.prompt_embeds)

    def render(self, request: CompletionRequest, model: ServedModel) -> Work:
        values = fields(request)
        values["logprobs"] = None if request.logprobs is None else int(request.logprobs)
        if request.echo and request.logprobs is not None and request.prompt_logprobs is None:
            values["prompt_logprobs"] = values["logprobs"]
        items = [self._item(prompt, request, values, model) for prompt in self._prompts(request, model)]
        return Work(items=items, stream=bool(request.stream), stream_interval=request.stream_interval or 1)

    def _item(
        self, prompt: Prompt, request: CompletionRequest, values: dict[str, Any], model: ServedModel
    ) -> GenerateItem:
        if request.use_beam_search:
            return beam_search(request, prompt, model, values, default_max_tokens=DEFAULT_MAX_TOKENS)
        params = model.sampling(
            prompt, values, default_max_tokens=DEFAULT_MAX_TOKENS, min_max_tokens=0 if request.echo else 1
        )
        return GenerateItem(prompt=prompt, params=params, priority=request.priority or 0, cache_salt=request.cache_salt)

    def _prompts(self, request: CompletionRequest, model: ServedModel) -> list[Prompt]:
        """Return the prompts, those of ``prompt_embeds`` first."""
        given, files = request.prompt, request.prompt_embeds or []
        if not given and not files:
            raise bad("prompt", "prompt must be a text or token ids, and not be empty.")
        several = isinstance(given, list) and not all(type(x) is int for x in given)
        if (len(files) if isinstance(files, list) else 1) + (len(given or ()) if several else 1) > MAX_PROMPTS:
            raise bad("prompt", f"At most {MAX_PROMPTS} prompts are possible.")
        if isinstance(files, str):
            prompts = [model.embeds_prompt(files, param="prompt_embeds")]
        else:
            prompts = [model.embeds_prompt(f, param=f"prompt_embeds[{i}]") for i, f in enumerate(files)]
        if several:
            return prompts + [self._one(p, f"prompt[{i}]", request, model) for i, p in enumerate(given or ())]
        return [*prompts, self._one(given, "prompt", request, model)] if given else prompts

    def _one(self, prompt: Any, path: str, request: CompletionRequest, model: ServedModel) -> Prompt:
        if not isinstance(prompt, str) and not (isinstance(prompt, list) and all(type(x) is int for x in prompt)):
            raise bad(path, f"{path} must be a text or a list of token ids.", "invalid_type")
        return model.encode_prompt(
            prompt,
            add_special_tokens=request.add_special_tokens is not False,
            param=path,
            truncate=request.truncate_prompt_tokens,
            truncation_side=request.truncation_side,
        )

    def format(self, request: CompletionRequest, work: Work, model: ServedModel, call: Call) -> Formatter:
        return CompletionFormatter(request, work, model, call)


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(CompletionsEndpoint)
