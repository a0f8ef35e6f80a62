"""A served model as the server process sees it: facts, tokenizer, template, limits, and the engine behind it."""

from __future__ import annotations

import logging
import time
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..config import ModelOptions
from ..engine.supervisor import Engine
from ..errors import RequestError
from ..frontend.chat_template import ChatTemplate
from ..frontend.defaults import SamplingDefaults
from ..frontend.messages import ContentFormat, prepare_messages
from ..frontend.tokenizer import TextTokenizer
from ..interfaces.endpoint import Prompt
from ..interfaces.logits import LogitsProcessorSpec
from ..params import SamplingParams, bad, parse_logit_bias, validate
from ..plugins.architectures import Choice
from ..plugins.registry import Registered

log = logging.getLogger("frameworkctl.server")

_DEFAULTED = (
    "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty",
)  # fmt: skip
_PLAIN = (
    "min_tokens", "seed", "ignore_eos", "include_stop_str_in_output", "skip_special_tokens",
    "spaces_between_special_tokens", "n", "logprobs",
)  # fmt: skip
TEMPERATURE_FLOOR = 0.01  # below it, logits / temperature overflows in half precision; 0 itself means greedy


class LocalModel:
    """Implements ``interfaces.ServedModel``. ``engine`` is set when the supervisor has made it."""

    def __init__(
        self,
        names: Sequence[str],
        root: str,
        choice: Choice,
        options: ModelOptions,
        tokenizer: TextTokenizer,
        template: ChatTemplate | None,
        content_format: ContentFormat,
        defaults: SamplingDefaults,
        processors: Mapping[str, Registered[LogitsProcessorSpec]],
        plugin_options: Mapping[str, Any],
    ) -> None:
        self.names, self.name, self.root = tuple(names), names[0], root
        self.choice, self.info = choice, choice.info
        self.settings, self.tokenizer, self.defaults = options, tokenizer, defaults
        self.template, self.content_format = template, content_format
        self.options = plugin_options
        self.created = int(time.time())
        self.max_model_len = options.max_model_len or self.info.max_model_len
        self.engine: Engine | None = None
        self._processors = processors
        main = tokenizer.eos_token_id
        ends = [i for i in self.info.eos_token_ids if i != main]
        # The tokenizer's own end token comes first: it is the one that ends without a stop reason.
        self.eos_token_ids = tuple(i for i in [-1 if main is None else main, *ends] if i < self.info.vocab_size)
        self._developer_role = template is not None and "developer" in template.source

    # -- prompts

    def encode_prompt(
        self, prompt: str | Sequence[int], *, add_special_tokens: bool = True, param: str = "prompt"
    ) -> Prompt:
        if not isinstance(prompt, str):
            ids, text = list(prompt), None
            wrong = next((i for i in ids if not 0 <= i < self.info.vocab_size), None)
            if wrong is not None:
                raise bad(param, f"{param} has the token id {wrong}, outside the vocabulary of {self.info.vocab_size}.")
        else:
            text = prompt
            longest = self.max_model_len * self.tokenizer.longest_token
            if len(text) > longest:
                raise self._too_long(
                    param, f"{len(text)} characters, and no {self.max_model_len} tokens exceed {longest}"
                )
            ids = self.tokenizer.encode(text, add_special_tokens=add_special_tokens)
            if ids and max(ids) >= self.info.vocab_size:
                raise bad(param, f"{param} holds a token that this model has no embedding for.")
        if not ids:
            raise bad(param, f"{param} must not be empty.")
        if len(ids) >= self.max_model_len:
            raise self._too_long(param, f"{len(ids)} tokens, and one has to be left for the answer")
        return Prompt(ids, text)

    def _too_long(self, param: str, what: str) -> RequestError:
        return RequestError(
            f"This model's context is {self.max_model_len} tokens; {param} has {what}. Shorten it.",
            param=param, code="context_length_exceeded",
        )  # fmt: skip

    def render_chat(self, messages: Sequence[Mapping[str, Any]], *, add_generation_prompt: bool = True) -> Prompt:
        if self.template is None:
            raise RequestError(
                f"The model {self.name!r} has no chat template: start the server with --chat-template,"
                " or use completions.",
                code="no_chat_template",
            )
        if not messages:
            raise bad("messages", "messages must not be empty.")
        prepared = prepare_messages(messages, self.content_format, developer_role=self._developer_role)
        text = self.template.render(prepared, add_generation_prompt=add_generation_prompt)
        return self.encode_prompt(text, add_special_tokens=False, param="messages")

    # -- parameters

    def sampling(
        self, prompt: Prompt, fields: Mapping[str, Any], *, default_max_tokens: int | None = None
    ) -> SamplingParams:
        values: dict[str, Any] = {name: fields[name] for name in _PLAIN if fields.get(name) is not None}
        for name in _DEFAULTED:
            given = fields.get(name)
            values[name] = getattr(self.defaults, name) if given is None else given
        values["top_k"] = 0 if values["top_k"] == -1 else values["top_k"]
        if 0 < values["temperature"] < TEMPERATURE_FLOOR:
            values["temperature"] = TEMPERATURE_FLOOR
        stop = fields.get("stop")
        params = SamplingParams(
            **values,
            max_tokens=self._max_tokens(fields, default_max_tokens),
            stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
            stop_token_ids=tuple(fields.get("stop_token_ids") or ()),
            eos_token_ids=self.eos_token_ids,
            logit_bias=parse_logit_bias(fields.get("logit_bias")),
            processors=self._plugin_params(fields.get("extra_args")),
        )
        validate(
            params,
            vocab_size=self.info.vocab_size,
            max_logprobs=self.settings.max_logprobs,
            max_model_len=self.max_model_len,
        )
        room = min(params.max_tokens, self.max_model_len - len(prompt.token_ids))
        return msgspec.structs.replace(params, max_tokens=room, min_tokens=min(params.min_tokens, room))

    def _max_tokens(self, fields: Mapping[str, Any], default: int | None) -> int:
        asked = fields.get("max_tokens")
        if asked is not None:
            return int(asked)
        if default is not None:
            return min(default, self.max_model_len)
        return min(self.defaults.max_new_tokens or self.max_model_len, self.max_model_len)

    def _plugin_params(self, extra: Mapping[str, Any] | None) -> dict[str, bytes] | None:
        """``extra_args`` of a request: per logits processor its parameters, checked and prepared."""
        if not extra:
            return None
        out = {}
        for name, value in extra.items():
            path = f"extra_args.{name}"
            registered = self._processors.get(name)
            if registered is None:
                known = ", ".join(sorted(self._processors)) or "none"
                raise bad(path, f"{path:.80}: no logits processor has this name (enabled: {known}).")
            spec = registered.spec
            try:
                params = msgspec.convert(value, spec.params, strict=False)
            except msgspec.ValidationError as e:
                what, _, where = str(e).partition(" - at `$")
                raise bad(path + where.rstrip("`"), f"{what} at `{path}{where.rstrip('`')}`.") from None
            prepared = spec.prepare(params, self) if spec.prepare is not None else params
            out[name] = msgspec.json.encode(prepared)
        return out


def token_bytes(ids: Sequence[int]) -> bytes:
    """Token ids as they travel: int32."""
    return array("i", ids).tobytes()
