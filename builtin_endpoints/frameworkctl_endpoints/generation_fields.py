"""Request fields that completions and chat share, and those that neither can serve yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from frameworkctl.interfaces import RequestError


class StreamOptions(msgspec.Struct):
    """``stream_options`` of a request."""

    include_usage: bool = False
    continuous_usage_stats: bool = False


class GenerationFields(msgspec.Struct, kw_only=True):
    """Sampling, stopping and streaming. Null and absent mean the same: the model's default."""

    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    min_tokens: int | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    include_stop_str_in_output: bool | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None
    logit_bias: dict[str, float] | None = None
    return_token_ids: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    extra_args: dict[str, Any] | None = None  # parameters of logits processors, by name

    # Accepted and without effect on the answer.
    user: Any = None
    metadata: Any = None
    store: Any = None
    service_tier: Any = None

    # Known, and refused by name when they ask for something.
    allowed_token_ids: Any = None
    bad_words: Any = None
    beam_width: Any = None
    cache_salt: Any = None
    echo: Any = None
    kv_transfer_params: Any = None
    length_penalty: Any = None
    logits_processors: Any = None
    priority: Any = None
    prompt_logprobs: Any = None
    response_format: Any = None
    return_tokens_as_token_ids: Any = None
    structured_outputs: Any = None
    truncate_prompt_tokens: Any = None
    use_beam_search: Any = None
    vllm_xargs: Any = None

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def usage_in_every_chunk(self) -> bool:
        return self.wants_usage and bool(self.stream_options and self.stream_options.continuous_usage_stats)


# Values that ask for nothing, so that a client which always sends the field is served.
HARMLESS: dict[str, Sequence[Any]] = {
    "length_penalty": (1, 1.0),
    "priority": (0,),
    "response_format": ({"type": "text"},),
    "tool_choice": ("none",),
    "best_of": (1,),
    "add_generation_prompt": (True,),
    "reasoning_effort": (),
}
NOTHING: Sequence[Any] = (False, [], {}, "")
UNSUPPORTED = (
    "allowed_token_ids", "bad_words", "beam_width", "cache_salt", "echo", "kv_transfer_params", "length_penalty",
    "logits_processors", "priority", "prompt_logprobs", "response_format", "return_tokens_as_token_ids",
    "structured_outputs", "truncate_prompt_tokens", "use_beam_search", "vllm_xargs",
)  # fmt: skip


def check_fields(request: GenerationFields, unsupported: Sequence[str]) -> None:
    """Refuse what would otherwise be ignored.

    Raises:
        RequestError: a field of ``unsupported`` asks for something, or stream options come without a stream.
    """
    for name in unsupported:
        value = getattr(request, name)
        if (
            value is None
            or value in HARMLESS.get(name, ())
            or any(value is v or (v == value and v != 0) for v in NOTHING)
        ):
            continue
        raise RequestError(f"{name} is not supported by this server.", param=name, code="unsupported_parameter")
    if request.stream_options is not None and not request.stream:
        raise RequestError(
            "stream_options is only possible with stream=true.", param="stream_options", code="invalid_value"
        )


def fields(request: msgspec.Struct) -> dict[str, Any]:
    """A request's fields for ``ServedModel.sampling``."""
    return {name: getattr(request, name) for name in request.__struct_fields__}
