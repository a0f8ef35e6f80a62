"""``/v2/embed``: Cohere's embeddings API, for its clients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import msgspec
from frameworkctl.interfaces import (
    Call,
    Endpoint,
    PoolFormatter,
    PoolItem,
    PoolOutput,
    PoolParams,
    Prompt,
    Register,
    Reply,
    Route,
    ServedModel,
    TruncationSide,
    Usage,
    Work,
    bad,
    hookimpl,
)

from frameworkctl_endpoints.field_checks import check_scheduling
from frameworkctl_endpoints.scoring.pairs import Text, texts

from .fields import dimensions_of, info_of
from .long_texts import InPieces, check_embed_lens, in_pieces
from .prefixes import prefix_of, with_prefix
from .replies import written
from .vectors import base64, bits, floats, load_numpy

EmbeddingType = Literal["float", "binary", "ubinary", "base64"]
SIDES: dict[str, TruncationSide] = {"START": "left", "END": "right"}


class CohereEmbedRequest(msgspec.Struct, kw_only=True):
    """The body of ``POST /v2/embed``: ``texts``, or ``inputs`` of texts."""

    model: str | None = None
    texts: list[str] | None = None
    inputs: list[dict[str, Any]] | None = None
    images: list[Any] | None = None
    input_type: str | None = None
    embedding_types: list[EmbeddingType] | None = None
    output_dimension: int | None = None
    truncate: Literal["NONE", "START", "END"] | None = None
    max_tokens: int | None = None
    priority: int | None = None


class CohereFormatter(PoolFormatter):
    """Every type that was asked for, of every text."""

    def __init__(self, request: CohereEmbedRequest, work: InPieces, call: Call) -> None:
        self.request, self.work, self.id = request, work, f"embd-{call.request_id}"

    def pooled(self, outputs: list[PoolOutput], usage: Usage) -> Reply:
        outputs = self.work.whole(outputs)
        kinds = dict.fromkeys(self.request.embedding_types or ("float",))
        body: dict[str, Any] = {
            "id": self.id,
            "embeddings": written({kind: _vectors(outputs, kind) for kind in kinds}),
        }
        if self.request.texts is not None:
            body["texts"] = self.request.texts
        body["meta"] = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": usage.prompt_tokens}}
        body["response_type"] = "embeddings_by_type"
        return Reply(body=written(body))


def _vectors(outputs: Sequence[PoolOutput], kind: EmbeddingType) -> Iterator[list[float] | list[int] | str]:
    for output in outputs:
        if kind == "float":
            yield floats(output.data)
        else:
            yield base64(output.data) if kind == "base64" else bits(output.data, signed=kind == "binary")


class CohereEmbedEndpoint(Endpoint):
    """The second version of Cohere's API."""

    family: ClassVar[str] = "cohere_embed"
    tasks: ClassVar[frozenset[str]] = frozenset({"embed"})
    routes: ClassVar[tuple[Route, ...]] = (
        Route(method="POST", path="/v2/embed", request=CohereEmbedRequest, summary="Texts as vectors, for Cohere's"),
    )

    def parse(self, call: Call) -> CohereEmbedRequest:
        request: CohereEmbedRequest = super().parse(call)
        if request.images:
            raise bad("images", "images: this model takes texts only.", "unsupported_parameter")
        if bool(request.texts) == bool(request.inputs):
            raise bad("texts", "Send either texts or inputs, and at least one of them.")
        if request.max_tokens is not None and request.max_tokens < 1:
            raise bad("max_tokens", f"max_tokens must be at least 1, got {request.max_tokens}.")
        check_scheduling(request.priority, None)
        return request

    def render(self, request: CohereEmbedRequest, model: ServedModel) -> Work:
        dimensions = dimensions_of(request.output_dimension, model, "output_dimension")
        if {"binary", "ubinary"} & set(request.embedding_types or ()) and (dimensions or info_of(model).size) % 8:
            raise bad("embedding_types", "binary embeddings need a size that is a multiple of 8.")
        if {"binary", "ubinary"} & set(request.embedding_types or ()):
            load_numpy()
        given: list[Text] = [*(request.texts or request.inputs or [])]
        name = "texts" if request.texts else "inputs"
        prefixed = with_prefix(texts(given, name), prefix_of(request.input_type, model))
        if request.truncate == "NONE":
            prompts, weights = _whole(prefixed, request.max_tokens, model, name)
        else:
            given_limits = (request.max_tokens, info_of(model).max_embed_len)
            keep = min(limit for limit in (*given_limits, model.max_model_len) if limit is not None)
            side = SIDES[request.truncate or "END"]
            prompts = model.encode_batch(
                prefixed, truncate=keep, truncation_side=side, param=name, truncate_param="max_tokens"
            )
            weights = [[1]] * len(prompts)
        params = PoolParams("embed", info_of(model).activates("embed"), dimensions)
        pool = [PoolItem(prompt=prompt, params=params, priority=request.priority or 0) for prompt in prompts]
        return InPieces(pool=pool, weights=weights)

    def format(self, request: CohereEmbedRequest, work: Work, model: ServedModel, call: Call) -> PoolFormatter:
        assert isinstance(work, InPieces)
        return CohereFormatter(request, work, call)


def _whole(
    texts: Sequence[str], max_tokens: int | None, model: ServedModel, param: str
) -> tuple[list[Prompt], list[list[int]]]:
    """Prompts of nothing that is cut, as ``in_pieces`` has them. Raises RequestError naming a text that is too long."""
    if info_of(model).chunked:
        load_numpy()
        prompts, weights = in_pieces(texts, model, add_special_tokens=True, param=param)
    else:
        prompts = model.encode_batch(texts, param=param, truncate_param="truncate")
        check_embed_lens(prompts, model, param)
        weights = [[1]] * len(prompts)
    lengths = iter(len(prompt.token_ids) for prompt in prompts)
    for number, pieces in enumerate(weights):
        tokens = sum(next(lengths) for _ in pieces)
        if max_tokens is not None and tokens > max_tokens:
            raise bad(f"{param}[{number}]", f"{param}[{number}] has {tokens} tokens, max_tokens is {max_tokens}.")
    return prompts, weights


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(CohereEmbedEndpoint)
