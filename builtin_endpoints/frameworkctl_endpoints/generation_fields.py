"""Request fields that completions and chat share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from .structured_output import ResponseFormat, StructuredOutputs, constraint_of


class StreamOptions(msgspec.Struct):
    """``stream_options`` of a request."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None
    include_obfuscation: bool | None = None  # accepted and without effect: it is padding


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
    allowed_token_ids: list[int] | None = None
    bad_words: list[str] | None = None
    use_beam_search: bool | None = None
    length_penalty: float | None = None
    prompt_logprobs: int | None = None
    logprob_token_ids: list[int] | None = None
    return_token_ids: bool | None = None
    return_tokens_as_token_ids: bool | None = None
    echo: bool | None = None
    truncate_prompt_tokens: int | None = None
    truncation_side: Literal["left", "right"] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stream_interval: int | None = None
    request_id: str | None = None
    priority: int | None = None
    cache_salt: str | None = None
    extra_args: dict[str, Any] | None = None  # parameters of logits processors, by name
    vllm_xargs: dict[str, str | bool | int | float | list[str | bool | int | float]] | None = None
    logits_processors: list[Any] | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None

    # Accepted and without effect on the answer.
    user: Any = None
    metadata: Any = None
    store: Any = None
    service_tier: Any = None
    session_id: Any = None

    # Known, and refused by name when they ask for something.
    beam_width: Any = None
    ec_transfer_params: Any = None
    kv_transfer_params: Any = None
    repetition_detection: Any = None
    routed_experts_prompt_start: Any = None
    thinking_token_budget: Any = None
    watermarking: Any = None

    # Older names, refused with a word on what has taken their place.
    guided_choice: Any = None
    guided_decoding_backend: Any = None
    guided_grammar: Any = None
    guided_json: Any = None
    guided_regex: Any = None
    guided_whitespace_pattern: Any = None

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def usage_in_every_chunk(self) -> bool:
        return self.wants_usage and bool(self.stream_options and self.stream_options.continuous_usage_stats)


IGNORED = (
    "audio",
    "metadata",
    "prediction",
    "prompt_cache_key",
    "safety_identifier",
    "service_tier",
    "session_id",
    "store",
    "user",
    "verbosity",
    "web_search_options",
    "prompt_cache_options",
    "prompt_cache_retention",
)
UNSUPPORTED = (
    "beam_width",
    "ec_transfer_params",
    "kv_transfer_params",
    "repetition_detection",
    "routed_experts_prompt_start",
    "thinking_token_budget",
    "watermarking",
)
# Values that ask for nothing, so that a client which always sends the field is served.
HARMLESS: Mapping[str, tuple[Any, ...]] = {
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
    "best_of": (1,),
    "reasoning_effort": (),
    "routed_experts_prompt_start": (0,),
}
NOTHING: tuple[Any, ...] = (False, [], {}, "")
WHY = {
    "beam_width": "the width of a beam search is n",
    "kv_transfer_params": "no KV connector is configured",
    "ec_transfer_params": "no encoder cache connector is configured",
}
REPLACED = {
    "guided_choice": 'structured_outputs: {"choice": [...]}',
    "guided_decoding_backend": "the server's --structured-output",
    "guided_grammar": 'structured_outputs: {"grammar": "..."}',
    "guided_json": 'structured_outputs: {"json": {...}}',
    "guided_regex": 'structured_outputs: {"regex": "..."}',
    "guided_whitespace_pattern": 'structured_outputs: {"whitespace_pattern": "..."}',
}


def fields(request: msgspec.Struct) -> dict[str, Any]:
    """Return a request's fields for ``ServedModel.sampling``; raises RequestError where they constrain the output
    twice.
    """
    values = {name: getattr(request, name) for name in request.__struct_fields__}
    values["constraint"] = constraint_of(values.get("response_format"), values.get("structured_outputs"))
    return values
