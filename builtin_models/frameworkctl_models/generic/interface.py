"""The attention function that Hugging Face modules call, and who answers it at the moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn
from transformers import AttentionInterface

NAME = "frameworkctl"  # with no mask registered under it, so that models make none


@dataclass(frozen=True, slots=True)
class Call:
    """Request of a module next to queries, keys and values. ``others`` are arguments that nobody here reads."""

    scale: float
    window: int | None
    softcap: float | None
    sinks: Tensor | None
    mask: Tensor | None
    causal: bool
    others: dict[str, Any]


class Answer(Protocol):
    """Computes attention for a module: ``query [T, H, D]``, ``key [T, K, D]``, ``value [T, K, V]`` -> ``[T, H, V]``."""

    def __call__(self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, call: Call) -> Tensor: ...


# A context variable, because not every module hands extra arguments of its forward down to attention.
_answer: ContextVar[Answer] = ContextVar("answer")


@contextmanager
def answering(answer: Answer) -> Iterator[None]:
    """Modules that are run inside are answered by ``answer``."""
    token = _answer.set(answer)
    try:
        yield
    finally:
        _answer.reset(token)


_READ = ("sliding_window", "softcap", "s_aux", "is_causal")


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend as transformers calls attention functions: ``query [1, H, T, D]`` and so on -> ``[1, T, H, V]``."""
    causal = kwargs.get("is_causal")
    call = Call(
        scale=query.shape[-1] ** -0.5 if scaling is None else float(scaling),
        window=kwargs.get("sliding_window"),
        softcap=kwargs.get("softcap"),
        sinks=kwargs.get("s_aux"),
        mask=attention_mask,
        causal=bool(getattr(module, "is_causal", True) if causal is None else causal),
        others={name: value for name, value in kwargs.items() if name not in _READ},
    )
    q, k, v = (x.transpose(1, 2).flatten(0, 1) for x in (query, key, value))
    return _answer.get()(module, q, k, v, call)[None], None


AttentionInterface.register(NAME, attend)
