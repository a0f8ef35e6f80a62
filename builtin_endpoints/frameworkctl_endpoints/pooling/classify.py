"""``/classify``: how likely each of a classifier's labels is for a text."""

from __future__ import annotations

from typing import Any, ClassVar

from frameworkctl.interfaces import (
    Call,
    Endpoint,
    PoolFormatter,
    PoolOutput,
    PoolParams,
    Register,
    Reply,
    Route,
    ServedModel,
    Usage,
    Work,
    hookimpl,
)

from frameworkctl_endpoints.replies import Head, make_head

from .fields import activate, info_of, pool_item
from .inputs import InputFields, brings_template, check_input_fields, prompts
from .replies import list_reply
from .vectors import floats


class ClassifyRequest(InputFields, kw_only=True):
    """The body of ``POST /classify``; ``softmax`` and ``activation`` are older names of ``use_activation``."""

    softmax: bool | None = None
    activation: bool | None = None


class ClassifyFormatter(PoolFormatter):
    """The most likely label of each text, and the scores of all."""

    def __init__(self, head: Head, labels: tuple[str, ...]) -> None:
        self.head, self.labels = head, labels

    def pooled(self, outputs: list[PoolOutput], usage: Usage) -> Reply:
        return list_reply(self.head, (self._entry(i, output) for i, output in enumerate(outputs)), usage)

    def _entry(self, index: int, output: PoolOutput) -> dict[str, Any]:
        probs = floats(output.data)
        best = max(range(len(probs)), key=probs.__getitem__)
        label = self.labels[best] if best < len(self.labels) else None
        return {"index": index, "label": label, "probs": probs, "num_classes": len(probs)}


class ClassifyEndpoint(Endpoint):
    """vLLM's classification API."""

    family: ClassVar[str] = "classify"
    tasks: ClassVar[frozenset[str]] = frozenset({"classify"})
    routes: ClassVar[tuple[Route, ...]] = (
        Route(method="POST", path="/classify", request=ClassifyRequest, summary="Labels of texts"),
    )

    def parse(self, call: Call) -> ClassifyRequest:
        request: ClassifyRequest = super().parse(call)
        check_input_fields(request, call)
        return request

    def waits(self, request: ClassifyRequest) -> bool:
        return brings_template(request)

    def render(self, request: ClassifyRequest, model: ServedModel) -> Work:
        params = PoolParams("classify", activate(request, "classify", model))
        return Work(pool=[pool_item(request, prompt, params) for prompt in prompts(request, model)])

    def format(self, request: ClassifyRequest, work: Work, model: ServedModel, call: Call) -> PoolFormatter:
        return ClassifyFormatter(make_head("classify", call.request_id, "list", model), info_of(model).labels)


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(ClassifyEndpoint)
