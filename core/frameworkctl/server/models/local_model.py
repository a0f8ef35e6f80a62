"""A served model as the server process sees it: facts, tokenizer, template, limits, and the engine behind it."""

from __future__ import annotations

import logging
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from frameworkctl.checkpoints.sampling_defaults import SamplingDefaults
from frameworkctl.config import ModelOptions
from frameworkctl.errors import RequestError, bad
from frameworkctl.interfaces.endpoint import GenerateItem
from frameworkctl.interfaces.generation.logits import LogitsProcessorSpec
from frameworkctl.interfaces.generation.parsers import ReasoningParserSpec, ToolParserSpec
from frameworkctl.interfaces.requests.prompts import Prompt, PromptEmbeds
from frameworkctl.interfaces.served_model import TruncationSide
from frameworkctl.limits import check_text
from frameworkctl.params import SamplingParams
from frameworkctl.plugins.architectures import Choice
from frameworkctl.plugins.registry import Registered
from frameworkctl.server.engines.supervisor import Engine
from frameworkctl.text.pieces import PIECE, TextTooLong
from frameworkctl.text.templates.chat_template import ChatTemplate
from frameworkctl.text.templates.embed_parts import EmbedParts
from frameworkctl.text.templates.messages import ContentFormat, prepare_messages
from frameworkctl.text.templates.request_template import Rendering
from frameworkctl.text.tokenizer import TextTokenizer
from frameworkctl.workers.pool import WorkerPool

from . import request_templates
from .constraints import Constraints
from .embeds import chat_embeds_prompt, embeds_prompt
from .pool_prompts import TRUNCATE, PoolPrompts
from .sampling import merged_params

log = logging.getLogger("frameworkctl.server")


class LocalModel:
    """Implements ``interfaces.ServedModel``. ``engine`` is set when the supervisor has made it, ``workers`` (where
    requests may bring templates) and ``constraints`` (of a model that generates) at the start.
    """

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
        *,
        tool_template: ChatTemplate | None = None,
        tool_parser: ToolParserSpec | None = None,
        reasoning_parser: ReasoningParserSpec | None = None,
    ) -> None:
        self.names, self.name, self.root = tuple(names), names[0], root
        self.choice, self.info = choice, choice.info
        self.settings, self.tokenizer, self.defaults = options, tokenizer, defaults
        self.template, self.content_format = template, content_format
        self.options = plugin_options
        self.tool_template = tool_template or template  # with which requests that bring tools are rendered
        self.tool_parser, self.reasoning_parser = tool_parser, reasoning_parser
        self.auto_tool_choice = bool(options.enable_auto_tool_choice)
        self.show_unused_tools = not options.exclude_tools_when_tool_choice_none
        self.created = int(time.time())
        self.max_model_len = options.max_model_len or self.info.max_model_len
        self.engine: Engine | None = None
        self.workers: WorkerPool | None = None
        self.constraints: Constraints | None = None
        self.uses_priority = False  # whether the scheduling policy looks at priorities
        self.processors = processors
        main = tokenizer.eos_token_id
        ends = [i for i in self.info.eos_token_ids if i != main]
        # The tokenizer's own end token comes first: it is the one that ends without a stop reason.
        self.eos_token_ids = tuple(i for i in [-1 if main is None else main, *ends] if i < self.info.vocab_size)
        self.score_template = options.chat_template is not None and template is not None
        self._pool_prompts = PoolPrompts(tokenizer, self.info, self.max_model_len, options.max_text_bytes)
        self._room = 0 if self.info.pooling is not None else 1  # tokens that are left for an answer
        self._developer_role = template is not None and "developer" in template.source

    @property
    def chat_template(self) -> str | None:
        return None if self.template is None else self.template.source

    # -- prompts

    def encode_prompt(
        self,
        prompt: str | Sequence[int],
        *,
        add_special_tokens: bool = True,
        param: str = "prompt",
        truncate: int | None = None,
        truncation_side: TruncationSide | None = None,
        check_length: bool = True,
    ) -> Prompt:
        keep = self._tokens_to_keep(truncate)
        if not isinstance(prompt, str):
            if check_length and keep is None and len(prompt) >= self.max_model_len + 1 - self._room:
                self._check_count(len(prompt), param)
            ids, text, front = list(prompt), None, 0
            wrong = next((i for i in ids if not 0 <= i < self.info.vocab_size), None)
            if wrong is not None:
                raise bad(param, f"{param} has the token id {wrong}, outside the vocabulary of {self.info.vocab_size}.")
        else:
            text = prompt
            ids, front = self._encoded(text, add_special_tokens, param, keep, truncation_side, check_length)
            if ids and max(ids) >= self.info.vocab_size:
                raise bad(param, f"{param} holds a token that this model has no embedding for.")
        if keep is not None and len(ids) > keep:
            front = min(keep, front) if truncation_side is None else 0
            cut = ids[:keep] if truncation_side == "right" else ids[:front] + ids[len(ids) - keep + front :]
            ids, text = cut, None
        if not ids:
            raise bad(param, f"{param} must not be empty.")
        if check_length:
            self._check_count(len(ids), param)
        return Prompt(ids, text)

    def _encoded(
        self, text: str, special: bool, param: str, keep: int | None, side: TruncationSide | None, check_length: bool
    ) -> tuple[list[int], int]:
        """Return a text's ids, of a long one about as many as are kept, and how many special ones are in front."""
        longest = self.max_model_len * self.tokenizer.longest_token
        if check_length and keep is None and len(text) > longest:
            raise self._too_long(param, f"{len(text)} characters, and no {self.max_model_len} tokens exceed {longest}")
        if len(text) <= PIECE:
            ids = self.tokenizer.encode(text, add_special_tokens=special)
            cut = special and keep is not None and side is None and len(ids) > keep
            return ids, self._tokens_in_front(text, ids) if cut else 0
        self.check_text(text, param=param)
        most = self.max_model_len + 1 if check_length and keep is None else keep
        try:
            ids, whole = self.tokenizer.long.ids(text, most=most, backwards=keep is not None and side != "right")
        except TextTooLong as e:
            raise TextTooLong(e.size, param) from None
        if not whole and keep is None:
            raise self._too_long(param, f"more than {self.max_model_len} tokens")
        return self.tokenizer.long.around(ids) if special else (ids, 0)

    def _check_count(self, count: int, param: str) -> None:
        """Raise RequestError when so many tokens leave no room in the context."""
        if count > self.max_model_len - self._room:
            raise self._too_long(param, f"{count} tokens" + ", and one has to be left for the answer" * self._room)

    def check_text(self, text: str, *, param: str) -> None:
        check_text(param, text, self.settings.max_text_bytes)

    def encode_batch(
        self,
        texts: Sequence[str | Sequence[int]],
        *,
        add_special_tokens: bool = True,
        truncate: int | None = None,
        truncation_side: TruncationSide | None = None,
        padding: bool = False,
        param: str = "input",
        truncate_param: str = TRUNCATE,
    ) -> list[Prompt]:
        return self._pool_prompts.batch(
            texts, add_special_tokens, truncate, truncation_side, padding, param, truncate_param
        )

    def encode_pair_batch(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        truncate: int | None = None,
        truncation_side: TruncationSide | None = None,
        max_query: int = 0,
        max_doc: int = 0,
        param: str = "documents",
    ) -> list[tuple[Prompt, int]]:
        return self._pool_prompts.pairs(pairs, truncate, truncation_side, max_query, max_doc, param)

    def cut_texts(self, texts: Sequence[str], tokens: int) -> list[str]:
        return self._pool_prompts.cut(texts, tokens)

    def _tokens_in_front(self, text: str, ids: list[int]) -> int:
        """Return how many tokens the tokenizer has put before those of the text itself."""
        plain = self.tokenizer.encode(text, add_special_tokens=False)
        extra = len(ids) - len(plain)
        return next((n for n in range(extra, 0, -1) if ids[n : n + len(plain)] == plain), 0)

    def _tokens_to_keep(self, truncate: int | None) -> int | None:
        """Return what ``truncate_prompt_tokens`` comes to; a token of the context is left for the answer, if there is
        one.
        """
        if truncate is None:
            return None
        if not -1 <= truncate <= self.max_model_len:
            raise bad(
                "truncate_prompt_tokens",
                f"truncate_prompt_tokens must be -1 (the context) or in [0, {self.max_model_len}], got {truncate}.",
            )
        return self.max_model_len - self._room if truncate == -1 else truncate

    def _too_long(self, param: str, what: str) -> RequestError:
        return RequestError(
            f"This model's context is {self.max_model_len} tokens; {param} has {what}. Shorten it.",
            param=param,
            code="context_length_exceeded",
        )

    def embeds_prompt(self, data: str, *, param: str) -> Prompt:
        return embeds_prompt(self, data, param)

    def render_chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] | None = None,
        template_kwargs: Mapping[str, Any] | None = None,
        chat_template: str | None = None,
        documents: Sequence[Mapping[str, Any]] | None = None,
        continue_final_message: bool = False,
        add_special_tokens: bool = False,
        truncate: int | None = None,
        truncation_side: TruncationSide | None = None,
        check_length: bool = True,
    ) -> Prompt:
        template = self.tool_template if tools else self.template
        own, variables = request_templates.requested_template(
            chat_template, template_kwargs, trusted=bool(self.settings.trust_request_chat_template)
        )
        if template is None and own is None:
            instead = "send texts" if self.info.pooling is not None else "use completions"
            raise RequestError(
                f"The model {self.name!r} has no chat template: start the server with --chat-template, or {instead}.",
                code="no_chat_template",
            )
        if not messages:
            raise bad("messages", "messages must not be empty.")
        self._check_texts(messages, tools=tools, documents=documents, chat_template_kwargs=template_kwargs)
        given: dict[str, Any] = {
            "tools": [dict(tool) for tool in tools] if tools else None,
            "documents": [dict(document) for document in documents] if documents else None,
            "add_generation_prompt": add_generation_prompt,
            "continue_final_message": continue_final_message,
            "kwargs": variables,
        }
        if own is not None:
            text = self._render_apart(own, list(messages), given)
        else:
            assert template is not None
            embeds = EmbedParts() if self.info.pooling is None and check_length else None
            prepared = prepare_messages(
                messages, self.content_format, developer_role=self._developer_role, embeds=embeds
            )
            text = template.render(prepared, **given)
            if embeds is not None and embeds.found:
                if truncate is not None:
                    raise bad("truncate_prompt_tokens", "truncate_prompt_tokens is not possible with prompt_embeds.")
                return chat_embeds_prompt(self, text, embeds, add_special_tokens=add_special_tokens)
        encode: Callable[..., Prompt] = self.encode_prompt
        if self.info.pooling is not None and check_length:
            encode = self._encode_one
        return encode(
            text,
            add_special_tokens=add_special_tokens,
            param="messages",
            truncate=truncate,
            truncation_side=truncation_side,
            check_length=check_length,
        )

    def _encode_one(self, text: str, *, check_length: bool, **options: Any) -> Prompt:
        return self.encode_batch([text], **options)[0]

    def _check_texts(self, messages: Sequence[Mapping[str, Any]], **others: Any) -> None:
        check_text("messages", messages, self.settings.max_text_bytes, embeds=True)
        for name, value in others.items():
            check_text(name, value, self.settings.max_text_bytes)

    def _render_apart(self, source: str, messages: list[Any], given: Mapping[str, Any]) -> str:
        """Render with the template of a request, which is neither parsed nor run in this process."""
        assert self.workers is not None
        auto = self.settings.chat_template_content_format == "auto"
        special_tokens = dict(self.tokenizer.special_tokens)
        rendering = Rendering(
            template=source,
            special_tokens=special_tokens,
            messages=messages,
            content_format=None if auto else self.content_format,
            **given,
        )
        return request_templates.render(self.workers, rendering)

    # -- parameters

    def sampling(
        self,
        prompt: Prompt,
        fields: Mapping[str, Any],
        *,
        default_max_tokens: int | None = None,
        min_max_tokens: int = 1,
    ) -> SamplingParams:
        return merged_params(self, prompt, fields, default_max_tokens, min_max_tokens)

    async def compiled(self, item: GenerateItem) -> GenerateItem:
        """Return the item with its constraint compiled. Raises RequestError for one that cannot be."""
        grammar = item.params.grammar
        if grammar is None or not grammar.job:
            return item
        assert self.constraints is not None
        params = msgspec.structs.replace(item.params, grammar=await self.constraints.compiled(grammar))
        return msgspec.structs.replace(item, params=params)


def cache_extras(salt: str | None, embeds: PromptEmbeds | None = None) -> dict[str, str] | None:
    """Return what keeps a request's part of the prefix cache apart."""
    extras = {} if salt is None else {"salt": salt}
    if embeds is not None:
        extras["embeds"] = embeds.digest
    return extras or None


def token_bytes(ids: Sequence[int]) -> bytes:
    """Token ids as they travel: int32."""
    return array("i", ids).tobytes()
