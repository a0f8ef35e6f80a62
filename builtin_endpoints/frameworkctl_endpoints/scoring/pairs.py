"""Scores of pairs of texts: what is asked of the engine, by the kind of model, and the scores of its outputs.

A classifier with one label reads both texts at once; an embedder each alone, for the cosine of their vectors; a model
with vectors for tokens each alone, for MaxSim.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from frameworkctl.interfaces import (
    Call,
    PoolingInfo,
    PoolItem,
    PoolOutput,
    PoolParams,
    PoolTask,
    ServedModel,
    Work,
    bad,
)

from frameworkctl_endpoints.pooling.fields import (
    PoolingFields,
    activate,
    cannot,
    check_count,
    check_pooling_fields,
    info_of,
    pool_item,
)
from frameworkctl_endpoints.pooling.long_texts import check_embed_lens, embed_limit
from frameworkctl_endpoints.pooling.prefixes import side_prefix, with_prefix
from frameworkctl_endpoints.pooling.vectors import floats, load_numpy

from .similarity import cosines, max_sims

Text = str | dict[str, Any]  # a text; or ``{"text": ...}``; or ``{"content": ...}`` as of a message
Kind = Literal["cross", "embed", "token_embed"]
TEMPLATE_KEYS = ("chat_template", "tokenize", "tools")  # that are no variables of a score template


class ScoreFields(PoolingFields, kw_only=True):
    """Fields that score and rerank share; ``softmax`` and ``activation`` are older names of ``use_activation``."""

    max_tokens_per_query: int | None = None
    max_tokens_per_doc: int | None = None
    instruction: str | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    softmax: bool | None = None
    activation: bool | None = None
    media_io_kwargs: Any = None
    encoding_format: Any = None


class Scoring(Work, kw_only=True):
    """``pool`` has the pairs, or ``queries`` queries and then the documents."""

    kind: Kind
    queries: int = 0
    documents: list[str]

    def scores(self, outputs: Sequence[PoolOutput]) -> list[float]:
        """Return the score of each pair, in order."""
        if self.kind == "cross":
            return [floats(output.data)[0] for output in outputs]
        measure = cosines if self.kind == "embed" else max_sims
        return measure(outputs[: self.queries], outputs[self.queries :])


def check_score_fields(request: ScoreFields, call: Call) -> None:
    """Raise RequestError 400 naming the field."""
    check_pooling_fields(request, call)
    for name in TEMPLATE_KEYS:
        if name in (request.chat_template_kwargs or ()):
            raise bad("chat_template_kwargs", f"chat_template_kwargs must not contain {name} here.")


def texts(given: Text | list[Text], param: str) -> list[str]:
    """Return one or many. Raises RequestError naming the one that is none."""
    if not isinstance(given, list):
        return [_text(given, param)]
    check_count(given, param)
    return [text if isinstance(text, str) else _text(text, f"{param}[{i}]") for i, text in enumerate(given)]


def size_of(query: Text | list[Text] | None, documents: Text | list[Text] | None) -> int:
    """Return the characters that are read when one query goes with each of many documents, for ``Endpoint.size``."""
    if isinstance(query, list):
        query = query[0] if len(query) == 1 else None
    count = len(documents) if isinstance(documents, list) else 1
    return 0 if query is None else count * (len(query) if isinstance(query, str) else sum(map(_length, query.values())))


def _length(value: Any) -> int:
    """Return the characters of a text, or of those in a list; what is neither is refused when it is read."""
    if isinstance(value, list):
        return sum(map(_length, value))
    return len(value) if isinstance(value, str) else 0


def _text(given: Text, param: str) -> str:
    if isinstance(given, str):
        return given
    text = given.get("text")
    if isinstance(text, str):
        return text
    content = given.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise bad(param, f'{param} must be a text, {{"text": ...}} or {{"content": ...}}.', "invalid_type")
    return "\n".join(_part(part, f"{param}.content[{i}]") for i, part in enumerate(content))


def _part(part: Any, param: str) -> str:
    text = part.get("text") if isinstance(part, dict) and part.get("type", "text") == "text" else None
    if not isinstance(text, str):
        raise bad(param, f"{param} must be a text: this model takes no other input.", "invalid_type")
    return text


def scoring(
    request: ScoreFields, queries: list[str], documents: list[str], model: ServedModel, names: tuple[str, str]
) -> Scoring:
    """Return one query and many documents, or as many of either, from the fields ``names``.

    Raises RequestError naming what is wrong.
    """
    _check_limits(request, model)
    kind = kind_of(model)
    if (request.instruction or request.chat_template_kwargs) and not (kind == "cross" and model.score_template):
        name = "instruction" if request.instruction else "chat_template_kwargs"
        raise bad(
            name, f"{name} is for score templates: start the server with --chat-template.", "unsupported_parameter"
        )
    if kind == "cross":
        lefts = queries * len(documents) if len(queries) == 1 else queries
        pairs = list(zip(lefts, documents, strict=True))
        return Scoring(kind=kind, pool=_cross_items(request, pairs, model, names[1]), documents=documents)
    load_numpy()
    task: PoolTask = kind
    params = PoolParams(task, activate(request, task, model))
    items = []
    sides = ("query", queries, request.max_tokens_per_query), ("document", documents, request.max_tokens_per_doc)
    for param, (name, side, most) in zip(names, sides, strict=True):
        prompts = model.encode_batch(
            with_prefix(model.cut_texts(side, most) if most else side, side_prefix(name, model)),
            truncate=embed_limit(request.truncate_prompt_tokens, model),
            truncation_side=request.truncation_side,
            param=param,
        )
        check_embed_lens(prompts, model, param)
        items += [pool_item(request, prompt, params) for prompt in prompts]
    return Scoring(kind=kind, pool=items, queries=len(queries), documents=documents)


def kind_of(model: ServedModel) -> Kind:
    """Return how a model scores pairs. Raises RequestError 400 where it cannot."""
    kind = _kind(model.info.pooling)
    if kind is None:
        labels = len(info_of(model).labels)
        raise cannot(model, f"score: that takes embeddings or a single class, and it has {labels} classes")
    return kind


def _kind(info: PoolingInfo | None) -> Kind | None:
    """None where a model scores no pairs."""
    if info is None:
        return None
    if info.task in ("embed", "token_embed"):
        return "embed" if info.task == "embed" else "token_embed"
    return "cross" if info.task == "classify" and len(info.labels) == 1 else None


def scorer(models: Sequence[ServedModel]) -> ServedModel | None:
    """Return which of them to ask: the first that reads both texts at once, else the first that embeds; None of
    none.
    """
    kinds = [(_kind(model.info.pooling), model) for model in models]
    crossing = (model for kind, model in kinds if kind == "cross")
    return next(crossing, next((model for kind, model in kinds if kind is not None), None))


def _check_limits(request: ScoreFields, model: ServedModel) -> None:
    for name in ("max_tokens_per_query", "max_tokens_per_doc"):
        most = getattr(request, name)
        if most is not None and not 0 <= most < model.max_model_len:
            raise bad(name, f"{name} must be in [0, {model.max_model_len - 1}] (0: all of it), got {most}.")


def _cross_items(request: ScoreFields, pairs: list[tuple[str, str]], model: ServedModel, param: str) -> list[PoolItem]:
    """Return a prompt for each pair: of the operator's score template, or as the tokenizer puts two texts together."""
    empty = next((i for i, pair in enumerate(pairs) if pair == ("", "")), None)
    if empty is not None:
        raise bad(f"{param}[{empty}]", f"{param}[{empty}] and its query are both empty.")
    params = PoolParams("classify", activate(request, "classify", model))
    most_query, most_doc = request.max_tokens_per_query or 0, request.max_tokens_per_doc or 0
    if not model.score_template:
        encoded = model.encode_pair_batch(
            pairs,
            truncate=request.truncate_prompt_tokens,
            truncation_side=request.truncation_side,
            max_query=most_query,
            max_doc=most_doc,
            param=param,
        )
        return [pool_item(request, prompt, params.at(second)) for prompt, second in encoded]
    queries, documents = [q for q, _ in pairs], [d for _, d in pairs]
    queries = model.cut_texts(queries, most_query) if most_query else queries
    documents = model.cut_texts(documents, most_doc) if most_doc else documents
    variables = dict(request.chat_template_kwargs or {})
    if request.instruction is not None:
        variables.setdefault("instruction", request.instruction)
    rendered = [
        model.render_chat(
            [{"role": "query", "content": query}, {"role": "document", "content": document}],
            add_generation_prompt=False,
            add_special_tokens=True,
            template_kwargs=variables,
            truncate=request.truncate_prompt_tokens,
            truncation_side=request.truncation_side,
        )
        for query, document in zip(queries, documents, strict=True)
    ]
    return [pool_item(request, prompt, params) for prompt in rendered]
