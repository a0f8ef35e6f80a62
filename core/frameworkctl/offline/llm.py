"""``LLM``: a model in a Python program, without a server beside it."""

from __future__ import annotations

import itertools
import os
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

from frameworkctl.errors import ConfigError, RequestError
from frameworkctl.offline.pooling.methods import CLASSIFY, EMBEDDINGS, POOLING, Pooling, rows, vector
from frameworkctl.offline.pooling.outputs import (
    ClassificationOutput,
    ClassificationRequestOutput,
    EmbeddingOutput,
    EmbeddingRequestOutput,
    PoolingOutput,
    PoolingRequestOutput,
    ScoringOutput,
    ScoringRequestOutput,
)
from frameworkctl.offline.pooling.params import PoolingParams
from frameworkctl.server.engines.supervisor import NurseryProcess

from .background import Background
from .calls import Calls
from .errors import InvalidOption, as_value_error
from .options import load_plugins, make_options
from .outputs import RequestOutput, request_output
from .progress import Progress
from .prompts import conversations, prompt_fields, prompt_list
from .sampling import SamplingParams
from .workload import work_through

Params = SamplingParams | Sequence[SamplingParams] | None
Pools = PoolingParams | Sequence[PoolingParams] | None
T = TypeVar("T")
COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
AHEAD = 2  # requests under way for each sequence that can run, so that the batch is always full


class LLM:
    """One model, ready when constructed, in this program until ``close`` or its end.

    The computing is done by a child process that sees the end of this one, however it comes; prompts, templates and
    text are worked on here, on a thread. Requests take the way of the server's, through the same endpoints and plugins,
    so that the same parameters give the same tokens. Usable from several threads at once; several LLMs share a machine
    best with ``threads``.

    ``model`` is a path, a Hub id or a bundled name; None the bundled model. ``plugins`` are switched on as by
    ``--plugins``. Any option of a model (docs/options.md) goes by its name in a config file: ``dtype``,
    ``max_model_len``, ``seed``, ``backend``, ``runner``, ``convert``, ``pooler_config``, ..., and ``log_level``.

    Raises:
        ValueError: an option or the model cannot be used, and why.
    """

    def __init__(
        self, model: str | os.PathLike[str] | None = None, *, plugins: str | Sequence[str] | None = None, **options: Any
    ) -> None:
        nursery = NurseryProcess(str(options.get("log_level", "warning")))
        try:
            host = load_plugins(plugins)
            made = make_options(None if model is None else os.fspath(model), options, host)
            self._background = Background(made, host, nursery)
        except ConfigError as e:
            raise InvalidOption(str(e)) from None
        finally:
            if not hasattr(self, "_background"):
                nursery.close()
        self._end = weakref.finalize(self, self._background.close)
        self._service = self._background.service
        self._model = self._service.model(None)
        self._calls = Calls(self._service)
        self._pooling = Pooling(self._background, self._calls)
        self._ids = itertools.count()
        self._tokenizer: Any = None

    # -- generation

    def generate(
        self,
        prompts: Any,
        sampling_params: Params = None,
        *,
        use_tqdm: bool = True,
        priority: Sequence[int] | None = None,
    ) -> list[RequestOutput]:
        """Continue prompts; results are in their order.

        ``prompts``: a text, token ids, a dict (``{"prompt": ...}``, ``{"prompt_token_ids": ...}``,
        ``{"prompt_embeds": ...}``, each maybe with a ``cache_salt``), or a list of these. ``sampling_params``: for all,
        or a list with one for each; None are the model's defaults. ``priority``: one for each, for policies that look
        at it.

        Raises:
            ValueError: the first prompt or parameter that cannot be served; nothing is generated then.
        """
        return self._guarded(lambda: self._generate(prompt_list(prompts), sampling_params, use_tqdm, priority))

    def chat(
        self,
        messages: Sequence[Any],
        sampling_params: Params = None,
        *,
        use_tqdm: bool = True,
        chat_template: str | None = None,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
        tools: Sequence[Mapping[str, Any]] | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
    ) -> list[RequestOutput]:
        """Answer a conversation (a list of messages) or several. Texts are as the model gives them, calls of tools too.

        Raises:
            ValueError: the first conversation or parameter that cannot be served.
        """
        extra: dict[str, Any] = {
            "chat_template": chat_template,
            "add_generation_prompt": None if add_generation_prompt else False,
            "continue_final_message": continue_final_message or None,
            "chat_template_kwargs": None if chat_template_kwargs is None else dict(chat_template_kwargs),
            # What is asked for is the text, so the tools are shown and no call is made of it.
            **({} if tools is None else {"tools": list(tools), "tool_choice": "none"}),
        }
        shared = {name: value for name, value in extra.items() if value is not None}
        return self._guarded(lambda: self._chat(conversations(messages), sampling_params, use_tqdm, shared))

    def get_default_sampling_params(self) -> SamplingParams:
        """Return what is used where no parameters are given: the defaults of the model's generation_config.json."""
        given = self._model.defaults
        names = set(SamplingParams.__struct_fields__) & set(given.__struct_fields__)
        values = {name: getattr(given, name) for name in names}
        if given.max_new_tokens is not None:
            values["max_tokens"] = min(given.max_new_tokens, self._model.max_model_len)
        return SamplingParams(**values)

    @property
    def vocab_size(self) -> int:
        """Token ids are below it."""
        return self._model.info.vocab_size

    def get_tokenizer(self) -> Any:
        """Return the checkpoint's tokenizer as transformers loads it."""
        if self._tokenizer is None:
            from . import tokenizer

            self._tokenizer = tokenizer.load(self._model.root)
        return self._tokenizer

    # -- pooling

    def embed(
        self, prompts: Any, *, use_tqdm: bool = True, pooling_params: Pools = None
    ) -> list[EmbeddingRequestOutput]:
        """Return texts as vectors, in their order. ``pooling_params``: for all, or a list with one for each.

        ``prompts``: a text, token ids, a dict (``{"prompt": ...}``, ``{"prompt_token_ids": ...}``, each maybe with a
        ``cache_salt``), or a list of these.

        Raises:
            ValueError: a prompt or parameter that cannot be served, or what the model can do if not this.
        """
        extra = {"encoding_format": "base64"}
        return self._guarded(
            lambda: [
                EmbeddingRequestOutput(self._id(), EmbeddingOutput(vector(p, "embedding").tolist()), p.token_ids)
                for p in self._pooling.texts(EMBEDDINGS, prompt_list(prompts), pooling_params, extra, use_tqdm)
            ]
        )

    def classify(
        self, prompts: Any, *, use_tqdm: bool = True, pooling_params: Pools = None
    ) -> list[ClassificationRequestOutput]:
        """Return how likely each of the model's labels is for a text. Arguments and errors as of ``embed``."""
        return self._guarded(
            lambda: [
                ClassificationRequestOutput(self._id(), ClassificationOutput(p.entry["probs"]), p.token_ids)
                for p in self._pooling.texts(CLASSIFY, prompt_list(prompts), pooling_params, {}, use_tqdm)
            ]
        )

    def score(
        self, text_1: Any, text_2: Any, /, *, use_tqdm: bool = True, pooling_params: PoolingParams | None = None
    ) -> list[ScoringRequestOutput]:
        """Return how well texts go together: one with one, one with each of many, or as many with as many.

        By a classifier with one label, by the cosine of embeddings, or by MaxSim, whichever the model is for.

        Raises:
            ValueError: a text or parameter that cannot be served, or what the model can do if not this.
        """
        return self._guarded(
            lambda: [
                ScoringRequestOutput(self._id(), ScoringOutput(p.entry["score"]), p.token_ids)
                for p in self._pooling.pairs(text_1, text_2, pooling_params, use_tqdm)
            ]
        )

    def encode(
        self, prompts: Any, pooling_params: Pools = None, *, use_tqdm: bool = True, pooling_task: str | None = None
    ) -> list[PoolingRequestOutput]:
        """Return what a task gives, as arrays: ``embed``, ``classify``, or either for each token (``token_embed``,
        ...).

        Without a task it is the model's own. Arguments and errors as of ``embed``.
        """
        extra: dict[str, Any] = {"encoding_format": "base64", "task": pooling_task}
        return self._guarded(
            lambda: [
                PoolingRequestOutput(self._id(), PoolingOutput(rows(p, "data")), p.token_ids)
                for p in self._pooling.texts(POOLING, prompt_list(prompts), pooling_params, extra, use_tqdm)
            ]
        )

    # -- life

    def close(self) -> None:
        """End the engine. Called at the end of a ``with`` block, of the object, and of the program."""
        self._end()

    def __enter__(self) -> LLM:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # -- inside

    def _id(self) -> str:
        return str(next(self._ids))

    def _guarded(self, work: Callable[[], T]) -> T:
        """Errors of requests as Python code wants them."""
        try:
            return work()
        except RequestError as e:
            error = as_value_error(e)
            for note in getattr(e, "__notes__", ()):
                error.add_note(note)
            raise error from e.__cause__
        except ConfigError as e:
            raise InvalidOption(str(e)) from None

    def _generate(
        self, prompts: list[Any], params: Params, use_tqdm: bool, priority: Sequence[int] | None
    ) -> list[RequestOutput]:
        many = self._each(params, len(prompts))
        if priority is not None and len(priority) != len(prompts):
            raise ValueError(f"priority has {len(priority)} entries for {len(prompts)} prompts")
        bodies = []
        for i, (prompt, own) in enumerate(zip(prompts, many, strict=True)):
            body = {**own.fields(self._model.max_model_len), **prompt_fields(prompt, f"prompts[{i}]")}
            bodies.append(body if priority is None else {**body, "priority": priority[i]})
        return self._run(COMPLETIONS, bodies, use_tqdm)

    def _chat(
        self, talks: list[list[Any]], params: Params, use_tqdm: bool, shared: dict[str, Any]
    ) -> list[RequestOutput]:
        bodies = []
        for messages, own in zip(talks, self._each(params, len(talks)), strict=True):
            fields = own.fields(self._model.max_model_len)
            if "logprobs" in fields:
                fields |= {"logprobs": True, "top_logprobs": fields["logprobs"]}
            bodies.append({**fields, **shared, "messages": messages})
        return self._run(CHAT, bodies, use_tqdm)

    def _each(self, params: Params, count: int) -> list[SamplingParams]:
        if params is None or isinstance(params, SamplingParams):
            return [params or self.get_default_sampling_params()] * count
        if len(params) != count:
            raise ValueError(f"sampling_params has {len(params)} entries for {count} prompts")
        return list(params)

    def _run(self, path: str, bodies: list[dict[str, Any]], use_tqdm: bool) -> list[RequestOutput]:
        found: list[RequestOutput | None] = [None] * len(bodies)
        ids = [self._id() for _ in bodies]
        with Progress("Processed prompts", len(bodies), shown=use_tqdm) as progress:

            async def one(numbered: tuple[int, dict[str, Any]]) -> None:
                i, body = numbered
                try:
                    work, outputs, usage = await self._calls(path, body)
                except RequestError as e:
                    if len(bodies) > 1:
                        e.add_note(f"in prompt {i} of {len(bodies)}, counted from 0")
                    raise
                found[i] = request_output(ids[i], work.items[0], outputs, usage.cached_tokens)
                progress.count(usage.prompt_tokens, usage.completion_tokens)

            async def everything() -> None:
                await self._service.supervisor.wait_ready()  # an engine that died is being started again
                await work_through(_numbered(bodies), AHEAD * self._model.settings.max_num_seqs, one)

            self._background.run(everything(), progress.show if use_tqdm else None)
        return [output for output in found if output is not None]


async def _numbered(items: Sequence[dict[str, Any]]) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    for numbered in enumerate(items):
        yield numbered
