"""Sampling parameters as a script writes them; on their way they become the fields of a request."""

from __future__ import annotations

from typing import Any

import msgspec

from frameworkctl import params
from frameworkctl.errors import RequestError, bad

from .errors import as_value_error

_UNBOUNDED = 2**31 - 1  # vocabulary and context of no model in particular


class SamplingParams(msgspec.Struct, kw_only=True):
    """vLLM's, by the same names: unset values are neutral, not the model's defaults.

    ``max_tokens`` None fills the context. ``structured_outputs`` is a dict (``{"json": schema}``), ``extra_args`` has
    parameters of plugins' logits processors by name, as in a request's body. Ranges are checked at once, what depends
    on the model when it is used.

    Raises:
        ValueError: naming the parameter that is wrong.
    """

    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    max_tokens: int | None = 16
    min_tokens: int = 0
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    include_stop_str_in_output: bool = False
    ignore_eos: bool = False
    skip_special_tokens: bool = True
    spaces_between_special_tokens: bool = True
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    logprob_token_ids: list[int] | None = None
    logit_bias: dict[int, float] | None = None
    allowed_token_ids: list[int] | None = None
    bad_words: list[str] | None = None
    truncate_prompt_tokens: int | None = None
    structured_outputs: dict[str, Any] | None = None
    extra_args: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        values = self._checked()
        wire = params.SamplingParams(
            **values,
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
            stop_token_ids=tuple(self.stop_token_ids or ()),
        )
        try:
            params.validate(wire, vocab_size=_UNBOUNDED, max_logprobs=-1, max_model_len=_UNBOUNDED)
        except RequestError as e:
            raise as_value_error(e) from None

    def _checked(self) -> dict[str, Any]:
        """Numbers in the wire form, types checked."""
        names = (
            "n",
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "presence_penalty",
            "frequency_penalty",
            "repetition_penalty",
            "seed",
            "min_tokens",
        )
        hints = {f.name: f.type for f in msgspec.structs.fields(SamplingParams)}
        values = {}
        for field in msgspec.structs.fields(SamplingParams):
            try:
                value = msgspec.convert(getattr(self, field.name), hints[field.name])
            except msgspec.ValidationError as e:
                what = str(e).partition(" - at ")[0]
                raise as_value_error(bad(field.name, f"{what} at `{field.name}`.")) from None
            setattr(self, field.name, value)
            if field.name in names:
                values[field.name] = value
        values["top_k"] = 0 if self.top_k == -1 else self.top_k
        for name in ("logprobs", "prompt_logprobs"):
            values[name] = None if getattr(self, name) == -1 else getattr(self, name)  # -1: all there are
        values["max_tokens"] = _UNBOUNDED if self.max_tokens is None else self.max_tokens
        return values

    def fields(self, context: int) -> dict[str, Any]:
        """Return the fields of a request to a model with that context length; fields that ask for nothing are left
        out.
        """
        values = {name: value for name, value in msgspec.structs.asdict(self).items() if value not in (None, [], {})}
        values["max_tokens"] = context if self.max_tokens is None else self.max_tokens
        return values
