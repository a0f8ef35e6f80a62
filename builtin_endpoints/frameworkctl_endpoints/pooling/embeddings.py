"""``/v1/embeddings``: a vector for each text."""

from __future__ import annotations

from typing import ClassVar

from frameworkctl.interfaces import (
    Call,
    Endpoint,
    PoolFormatter,
    PoolParams,
    Register,
    Route,
    ServedModel,
    Work,
    hookimpl,
)

from frameworkctl_endpoints.replies import make_head

from .fields import activate, dimensions_of
from .inputs import VectorFields, brings_template, check_input_fields
from .long_texts import embedding_work
from .replies import VectorFormatter, prepare


class EmbeddingRequest(VectorFields, kw_only=True):
    """The body of ``POST /v1/embeddings``."""


class EmbeddingsEndpoint(Endpoint):
    """OpenAI's embeddings API, as vLLM extends it."""

    family: ClassVar[str] = "embeddings"
    tasks: ClassVar[frozenset[str]] = frozenset({"embed"})
    routes: ClassVar[tuple[Route, ...]] = (
        Route(method="POST", path="/v1/embeddings", request=EmbeddingRequest, summary="Texts as vectors"),
    )

    def parse(self, call: Call) -> EmbeddingRequest:
        request: EmbeddingRequest = super().parse(call)
        check_input_fields(request, call)
        return request

    def waits(self, request: EmbeddingRequest) -> bool:
        return brings_template(request)

    def render(self, request: EmbeddingRequest, model: ServedModel) -> Work:
        dimensions = dimensions_of(request.dimensions, model)
        params = PoolParams("embed", activate(request, "embed", model), dimensions)
        return prepare(request, embedding_work(request, params, model))

    def format(self, request: EmbeddingRequest, work: Work, model: ServedModel, call: Call) -> PoolFormatter:
        head = make_head("embd", call.request_id, "list", model)
        return VectorFormatter(request, work, head, "embedding", "embedding")


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(EmbeddingsEndpoint)
