"""From a request's fields and a model's defaults to sampling parameters that are valid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from frameworkctl.errors import bad
from frameworkctl.interfaces.requests.prompts import Prompt
from frameworkctl.limits import MAX_BAD_WORD_CHARACTERS
from frameworkctl.params import SamplingParams, parse_logit_bias, validate

from .constraints import grammar_of
from .processor_params import processor_params
from .view import ModelView

DEFAULTED = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
)
_PLAIN = (
    "min_tokens",
    "seed",
    "ignore_eos",
    "include_stop_str_in_output",
    "skip_special_tokens",
    "spaces_between_special_tokens",
    "n",
)
_ALL_LOGPROBS = -1
TEMPERATURE_FLOOR = 0.01  # below it, logits / temperature overflows in half precision; 0 itself means greedy


def merged_params(
    model: ModelView, prompt: Prompt, fields: Mapping[str, Any], default_max_tokens: int | None, min_max_tokens: int
) -> SamplingParams:
    """Implement ``ServedModel.sampling``."""
    values: dict[str, Any] = {name: fields[name] for name in _PLAIN if fields.get(name) is not None}
    for name in DEFAULTED:
        given = fields.get(name)
        values[name] = getattr(model.defaults, name) if given is None else given
    values["top_k"] = 0 if values["top_k"] == -1 else values["top_k"]
    if 0 < values["temperature"] < TEMPERATURE_FLOOR:
        values["temperature"] = TEMPERATURE_FLOOR
    for name in ("logprobs", "prompt_logprobs"):
        given = fields.get(name)
        values[name] = model.info.vocab_size if given == _ALL_LOGPROBS else given
    if prompt.embeds is not None and values["prompt_logprobs"] is not None:
        raise bad("prompt_logprobs", "prompt_logprobs are of tokens, and this prompt has embeddings.")
    stop, allowed = fields.get("stop"), fields.get("allowed_token_ids")
    params = SamplingParams(
        **values,
        max_tokens=_max_tokens(model, fields, default_max_tokens),
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        stop_after=tuple(fields.get("stop_after") or ()),
        stop_openings=tuple(fields.get("stop_openings") or ()),
        stop_token_ids=tuple(fields.get("stop_token_ids") or ()),
        eos_token_ids=model.eos_token_ids,
        logit_bias=parse_logit_bias(fields.get("logit_bias")),
        logprob_token_ids=tuple(fields.get("logprob_token_ids") or ()),
        allowed_token_ids=None if allowed is None else tuple(allowed),
        bad_words=_bad_words(model, fields.get("bad_words") or ()),
        grammar=grammar_of(fields.get("constraint"), model.settings.max_json_whitespace, model.tokenizer),
        processors=processor_params(model, fields),
    )
    validate(
        params,
        vocab_size=model.info.vocab_size,
        max_logprobs=model.settings.max_logprobs,
        max_model_len=model.max_model_len,
        min_max_tokens=min_max_tokens,
    )
    room = min(params.max_tokens, model.max_model_len - len(prompt.token_ids), model.defaults.cap or params.max_tokens)
    return msgspec.structs.replace(params, max_tokens=room, min_tokens=min(params.min_tokens, room))


def _max_tokens(model: ModelView, fields: Mapping[str, Any], default: int | None) -> int:
    asked = fields.get("max_tokens")
    if asked is not None:
        return int(asked)
    if default is not None:
        return min(default, model.max_model_len)
    return min(model.defaults.max_new_tokens or model.max_model_len, model.max_model_len)


def _bad_words(model: ModelView, words: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return each word as it begins a text and as it follows another one, where a leading blank changes its tokens."""
    if sum(map(len, words)) > MAX_BAD_WORD_CHARACTERS:
        message = f"bad_words have more than {MAX_BAD_WORD_CHARACTERS} characters in all: send fewer or shorter ones."
        raise bad("bad_words", message)
    found: dict[tuple[int, ...], None] = {}
    for word in words:
        if not word.strip():
            raise bad("bad_words", "bad_words must not contain an empty word.")
        encode = model.tokenizer.encode
        bare, spaced = (encode(blank + word.lstrip(), add_special_tokens=False) for blank in ("", " "))
        found[tuple(bare)] = None
        # Only where the blank is part of the first token; where it is one by itself, the bare form says enough.
        if len(spaced) == len(bare) and spaced[0] != bare[0]:
            found[tuple(spaced)] = None
    vocab_size = model.info.vocab_size
    return tuple(ids for ids in found if ids and all(i < vocab_size for i in ids))
