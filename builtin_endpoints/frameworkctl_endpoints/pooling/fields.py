"""Request fields that the pooling families share, and what is wrong with them before a model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from frameworkctl.interfaces import (
    LENGTHS,
    Call,
    PoolingInfo,
    PoolItem,
    PoolParams,
    PoolTask,
    Prompt,
    RequestError,
    ServedModel,
    bad,
)

from frameworkctl_endpoints.field_checks import asks_for_something, check_scheduling, take_request_id

UNSUPPORTED = ("media_io_kwargs", "mm_processor_kwargs")
ALIASES = ("use_activation", "normalize", "softmax", "activation")  # of one switch, in the order in which they count
IGNORED = ("user",)
MAX_TEXTS = LENGTHS["texts"].most


class PoolingFields(msgspec.Struct, kw_only=True):
    """Null and absent mean the same: the model's default."""

    model: str | None = None
    use_activation: bool | None = None
    truncate_prompt_tokens: int | None = None
    truncation_side: Literal["left", "right"] | None = None
    request_id: str | None = None
    priority: int | None = None
    cache_salt: str | None = None
    user: Any = None
    mm_processor_kwargs: Any = None


def check_pooling_fields(request: PoolingFields, call: Call) -> None:
    """Raise RequestError 400 naming the field."""
    for name in UNSUPPORTED:
        if asks_for_something(name, getattr(request, name, None)):
            raise bad(name, f"{name} is not supported by this server.", "unsupported_parameter")
    if request.truncate_prompt_tokens is not None and request.truncate_prompt_tokens < -1:
        raise bad("truncate_prompt_tokens", "truncate_prompt_tokens must be -1 (the context) or the tokens to keep.")
    check_scheduling(request.priority, request.cache_salt)
    take_request_id(request.request_id, call)


def check_count(given: Sequence[Any], param: str) -> None:
    """Raise RequestError 400 for none, and for more than are worth holding in memory until all are answered."""
    if not given:
        raise bad(param, f"{param} must not be empty.")
    if len(given) > MAX_TEXTS:
        raise bad(param, f"{param} has {len(given)} entries: send at most {MAX_TEXTS} at a time.", "too_many_texts")


def info_of(model: ServedModel) -> PoolingInfo:
    """Return how a model pools that has one of the pooling tasks."""
    assert model.info.pooling is not None
    return model.info.pooling


def activate(request: PoolingFields, task: PoolTask, model: ServedModel) -> bool:
    """Return whether embeddings are normalised and classes go through their activation, by the first name that says
    it.
    """
    given = (getattr(request, name, None) for name in ALIASES)
    return next((value for value in given if value is not None), info_of(model).activates(task))


def pool_item(request: PoolingFields, prompt: Prompt, params: PoolParams) -> PoolItem:
    return PoolItem(prompt=prompt, params=params, priority=request.priority or 0, cache_salt=request.cache_salt)


def dimensions_of(dimensions: int | None, model: ServedModel, param: str = "dimensions") -> int | None:
    """Return what an embedding is cut to. Raises RequestError 400 where the model was not trained for it."""
    info = info_of(model)
    if dimensions is None:
        return info.dimensions
    if dimensions == info.size:  # of the whole vector nothing is cut
        return None if info.matryoshka is None else dimensions
    if info.matryoshka is None:
        raise bad(param, f"{model.name!r} was not trained for shorter embeddings: leave {param} out.")
    if info.matryoshka and dimensions not in info.matryoshka:
        sizes = ", ".join(map(str, info.matryoshka))
        raise bad(param, f"{param} of {model.name!r} may be {sizes}, not {dimensions}.")
    if not 1 <= dimensions <= info.size:
        raise bad(param, f"{param} of {model.name!r} must be in [1, {info.size}], got {dimensions}.")
    return dimensions


def cannot(model: ServedModel, what: str, param: str = "model") -> RequestError:
    """Return a 400 that says what the model can do instead."""
    can = ", ".join(sorted(model.info.tasks))
    return RequestError(
        f"The model {model.name!r} does not {what}; it can {can}.", param=param, code="unsupported_task"
    )
