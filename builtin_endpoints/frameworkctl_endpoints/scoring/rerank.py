"""``/rerank``: documents by how relevant they are to a query, in the forms of vLLM, Jina and Cohere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from frameworkctl.interfaces import (
    Call,
    Endpoint,
    PoolFormatter,
    PoolOutput,
    Register,
    Reply,
    Route,
    ServedModel,
    Usage,
    Work,
    bad,
    hookimpl,
)

from frameworkctl_endpoints.field_checks import asks_for_something
from frameworkctl_endpoints.pooling.replies import written

from .pairs import ScoreFields, Scoring, Text, check_score_fields, scorer, scoring, size_of, texts

UNSUPPORTED = ("max_chunks_per_doc", "rank_fields")  # of Cohere's first version
SEARCH_UNIT = 100  # documents that Cohere bills as one


class RerankRequest(ScoreFields, kw_only=True):
    """The body of ``POST /rerank``. ``top_n`` null or 0: all. ``return_documents`` null: with their texts."""

    query: Text
    documents: Text | list[Text]
    top_n: int | None = None
    return_documents: bool | None = None
    max_chunks_per_doc: Any = None
    rank_fields: Any = None


class RerankFormatter(PoolFormatter):
    """The best documents first; of equal ones, the first. vLLM's own path always has their texts, as vLLM does."""

    def __init__(self, request: RerankRequest, work: Scoring, model: ServedModel, call: Call) -> None:
        self.request, self.work, self.model = request, work, model
        self.id = f"rerank-{call.request_id}"
        self.with_documents = request.return_documents is not False or call.route.path == "/rerank"

    def pooled(self, outputs: list[PoolOutput], usage: Usage) -> Reply:
        same: dict[tuple[int, ...], float] = {}  # what is the same must not differ by what a batch rounds
        computed = self.work.pool[-len(self.work.documents) :]  # a query may come before them
        pairs = zip(computed, self.work.scores(outputs), strict=True)
        scores = [same.setdefault(tuple(item.prompt.token_ids), score) for item, score in pairs]
        best = sorted(range(len(scores)), key=lambda i: -scores[i])[: self.request.top_n or len(scores)]
        units = -(-len(scores) // SEARCH_UNIT)
        body = {
            "id": self.id,
            "model": self.model.name,
            "usage": {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.total_tokens},
            "results": (self._result(i, scores[i]) for i in best),
            "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": units}},
        }
        return Reply(body=written(body))

    def _result(self, index: int, score: float) -> dict[str, Any]:
        result: dict[str, Any] = {"index": index}
        if self.with_documents:
            result["document"] = {"text": self.work.documents[index], "multi_modal": None}
        result["relevance_score"] = score
        return result


class RerankEndpoint(Endpoint):
    """The reranking APIs of vLLM, Jina and Cohere."""

    family: ClassVar[str] = "rerank"
    tasks: ClassVar[frozenset[str]] = frozenset({"classify", "embed", "token_embed"})
    routes: ClassVar[tuple[Route, ...]] = tuple(
        Route(method="POST", path=path, request=RerankRequest, summary="Documents by their relevance to a query")
        for path in ("/rerank", "/v1/rerank", "/v2/rerank")
    )

    def default_model(self, models: Sequence[ServedModel]) -> ServedModel | None:
        return scorer(models)

    def parse(self, call: Call) -> RerankRequest:
        request: RerankRequest = super().parse(call)
        for name in UNSUPPORTED:
            if asks_for_something(name, getattr(request, name)):
                raise bad(name, f"{name} is not supported by this server.", "unsupported_parameter")
        if request.top_n is not None and request.top_n < 0:
            raise bad("top_n", f"top_n must be at least 0 (all of them), got {request.top_n}.")
        check_score_fields(request, call)
        return request

    def size(self, request: RerankRequest) -> int:
        return size_of(request.query, request.documents)

    def render(self, request: RerankRequest, model: ServedModel) -> Work:
        query, documents = texts(request.query, "query"), texts(request.documents, "documents")
        return scoring(request, query, documents, model, ("query", "documents"))

    def format(self, request: RerankRequest, work: Work, model: ServedModel, call: Call) -> PoolFormatter:
        assert isinstance(work, Scoring)
        return RerankFormatter(request, work, model, call)


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(RerankEndpoint)
