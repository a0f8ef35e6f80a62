"""``/score``: how well texts go together, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

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

from frameworkctl_endpoints.pooling.replies import list_reply
from frameworkctl_endpoints.replies import Head, make_head

from .pairs import ScoreFields, Scoring, Text, check_score_fields, scorer, scoring, size_of, texts

PAIRS = (("queries", "documents"), ("queries", "items"), ("data_1", "data_2"), ("text_1", "text_2"))
FORMS = ", or ".join(f"{left} with {right}" for left, right in PAIRS)


class ScoreRequest(ScoreFields, kw_only=True):
    """The body of ``POST /score``: two sides, 1 to 1, 1 to N or N to N. Of the names the first complete pair counts."""

    queries: Text | list[Text] | None = None
    documents: Text | list[Text] | None = None
    items: Text | list[Text] | None = None
    data_1: Text | list[Text] | None = None
    data_2: Text | list[Text] | None = None
    text_1: Text | list[Text] | None = None
    text_2: Text | list[Text] | None = None


class ScoreFormatter(PoolFormatter):
    """A score for each pair."""

    def __init__(self, head: Head, work: Scoring) -> None:
        self.head, self.work = head, work

    def pooled(self, outputs: list[PoolOutput], usage: Usage) -> Reply:
        scores = self.work.scores(outputs)
        entries = ({"index": i, "object": "score", "score": score} for i, score in enumerate(scores))
        return list_reply(self.head, entries, usage)


class ScoreEndpoint(Endpoint):
    """vLLM's scoring API."""

    family: ClassVar[str] = "score"
    tasks: ClassVar[frozenset[str]] = frozenset({"classify", "embed", "token_embed"})
    routes: ClassVar[tuple[Route, ...]] = tuple(
        Route(method="POST", path=path, request=ScoreRequest, summary="How well texts go together, pair by pair")
        for path in ("/score", "/v1/score")
    )

    def default_model(self, models: Sequence[ServedModel]) -> ServedModel | None:
        return scorer(models)

    def parse(self, call: Call) -> ScoreRequest:
        request: ScoreRequest = super().parse(call)
        check_score_fields(request, call)
        return request

    def size(self, request: ScoreRequest) -> int:
        return max(size_of(getattr(request, left), getattr(request, right)) for left, right in PAIRS)

    def render(self, request: ScoreRequest, model: ServedModel) -> Work:
        names = sides(request)
        left, right = (texts(getattr(request, name), name) for name in names)
        if len(left) not in (1, len(right)):
            raise bad(
                names[0],
                f"The two sides must be 1 to 1, 1 to N or N to N texts; these are {len(left)} to {len(right)}.",
            )
        return scoring(request, left, right, model, names)

    def format(self, request: ScoreRequest, work: Work, model: ServedModel, call: Call) -> PoolFormatter:
        assert isinstance(work, Scoring)
        return ScoreFormatter(make_head("score", call.request_id, "list", model), work)


def sides(request: ScoreRequest) -> tuple[str, str]:
    """Return the names by which they came. Raises RequestError where one is missing."""
    for left, right in PAIRS:
        if getattr(request, left) is not None and getattr(request, right) is not None:
            return left, right
    missing = "queries" if all(getattr(request, left) is None for left, _ in PAIRS) else "documents"
    raise bad(missing, f"Send both sides: {FORMS}.", "missing_field")


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(ScoreEndpoint)
