"""``/pooling``: whatever a model pools, by task: vectors, classes, and either for each token."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

import msgspec
from frameworkctl.interfaces import (
    Call,
    Endpoint,
    PoolFormatter,
    PoolParams,
    PoolTask,
    Register,
    Route,
    ServedModel,
    Work,
    bad,
    hookimpl,
)

from frameworkctl_endpoints.field_checks import asks_for_something
from frameworkctl_endpoints.replies import make_head

from .fields import activate, cannot, dimensions_of, info_of, pool_item
from .inputs import VectorFields, brings_template, check_input_fields, prompts
from .long_texts import embedding_work
from .replies import VectorFormatter, prepare

TASKS: tuple[PoolTask, ...] = get_args(PoolTask)
REPLACED = {"score": "classify", "encode": "token_embed or token_classify"}
EMBED_TASKS: frozenset[PoolTask] = frozenset({"embed", "token_embed"})


class PoolingRequest(VectorFields, kw_only=True):
    """The body of ``POST /pooling``; ``task`` null is the model's own."""

    task: str | None = None
    softmax: bool | None = None
    activation: bool | None = None
    data: Any = None


class PoolingEndpoint(Endpoint):
    """vLLM's pooling API."""

    family: ClassVar[str] = "pooling"
    tasks: ClassVar[frozenset[str]] = frozenset(TASKS)
    routes: ClassVar[tuple[Route, ...]] = (
        Route(method="POST", path="/pooling", request=PoolingRequest, summary="What a model pools, by task"),
    )

    def parse(self, call: Call) -> PoolingRequest:
        request: PoolingRequest = super().parse(call)
        if asks_for_something("data", request.data):
            raise bad("data", "data is for plugins, and none is there: send input or messages.")
        check_input_fields(request, call)
        if request.task in REPLACED:
            raise bad("task", f"The task {request.task} is no longer known: send {REPLACED[request.task]} instead.")
        if request.task is not None and request.task not in TASKS:
            raise bad("task", f"task must be one of {', '.join(TASKS)}, got {request.task!r:.80}.")
        return request

    def waits(self, request: PoolingRequest) -> bool:
        return brings_template(request)

    def render(self, request: PoolingRequest, model: ServedModel) -> Work:
        task: PoolTask = info_of(model).task if request.task is None else request.task  # type: ignore[assignment]
        if task not in model.info.tasks:
            raise cannot(model, task, "task")
        params = PoolParams(task, activate(request, task, model))
        if task in EMBED_TASKS:
            params = msgspec.structs.replace(params, dimensions=dimensions_of(request.dimensions, model))
            return prepare(request, embedding_work(request, params, model))
        for name in ("dimensions", "input_type"):
            if getattr(request, name) is not None:
                raise bad(name, f"{name} is for embeddings: the task is {task}.", "unsupported_parameter")
        items = [pool_item(request, prompt, params) for prompt in prompts(request, model)]
        return prepare(request, Work(pool=items))

    def format(self, request: PoolingRequest, work: Work, model: ServedModel, call: Call) -> PoolFormatter:
        return VectorFormatter(request, work, make_head("pooling", call.request_id, "list", model), "pooling", "data")


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(PoolingEndpoint)
