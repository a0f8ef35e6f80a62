"""The public names for plugin code that runs in an engine process; importing this imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from frameworkctl_kernels.protocol import Backend, GroupView, Packed, StepShape
from numpy.typing import NDArray
from torch import Tensor, nn

from frameworkctl.interfaces.generation.logits import LogitsProcessor, ProcessorContext, RowProcessor

from .markers import API_VERSION
from .pooling import PoolingInfo, PoolParams

__all__ = [
    "Backend",
    "Batch",
    "CacheLayer",
    "GroupView",
    "LoadReport",
    "LogitsProcessor",
    "Model",
    "ModelContext",
    "Packed",
    "PoolParams",
    "PoolRows",
    "Pooler",
    "PoolingInfo",
    "ProcessorContext",
    "RowProcessor",
    "StepShape",
    "WeightMap",
    "World",
]

CacheKind = Literal["full", "window", "latent", "cross", "state"]


@dataclass(frozen=True, slots=True)
class CacheLayer:
    """Cache that one layer keeps per sequence. Layers that are equal share a group of pages.

    ``full`` and ``window`` (the last ``window`` tokens): keys and values of ``heads`` heads of ``head_dim``.
    ``latent``: one vector of ``head_dim`` that is key and value at once (``heads`` is 1). ``cross``: keys and values
    over encoder outputs, written once. ``state``: ``state_bytes`` per sequence, whatever its length.
    """

    kind: CacheKind
    heads: int = 0
    head_dim: int = 0
    window: int | None = None
    state_bytes: int = 0

    def token_bytes(self, dtype: torch.dtype) -> int:
        """Return bytes per token; 0 for recurrent state."""
        vectors = {"state": 0, "latent": 1}.get(self.kind, 2)
        return vectors * self.heads * self.head_dim * dtype.itemsize


@dataclass(slots=True)
class Batch:
    """One step's input, flat, without padding: T tokens of S sequences back to back, L rows that need logits.

    All tensors are views of buffers that keep their addresses. ``groups[i]`` tells the layers of group i where their
    pages are.
    """

    shape: StepShape
    input_ids: Tensor  # [T] int64
    positions: Tensor  # [T] int64
    query_start: Tensor  # [S + 1] int32
    logits_index: Tensor  # [L] int64
    groups: list[GroupView]
    second: Tensor | None = None  # [T] int64: 1 for tokens of the second text of a pair; where the model pools
    long: Tensor | None = None  # [T] int64: 1 for tokens of sequences beyond the model's ``long_after``
    embeds: Tensor | None = None  # [T, hidden], to be used in place of the token's where the mask is true
    embeds_mask: Tensor | None = None  # [T] bool


class World(Protocol):
    """The ranks that compute one model together (one, unless tensor parallel)."""

    rank: int
    size: int

    def all_reduce(self, x: Tensor) -> Tensor:
        """Sum over ranks, in place."""

    def all_gather(self, x: Tensor) -> Tensor:
        """Concatenate the ranks' ``x`` along the last axis."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Names of the checkpoint that nobody wanted, and names that were wanted and are not there."""

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()


class MisfitError(ValueError):
    """A tensor of a checkpoint, called ``name``, is not of the shape that the model's configuration asks for."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class WeightMap:
    """Map from the checkpoint's tensors to the layers that take them. Layers add themselves when they are built."""

    def __init__(self) -> None:
        self.prefix = "model."  # of the names of all but the head; files of a model that was saved without one lack it
        self._takers: dict[str, Callable[[Tensor], object]] = {}
        self._optional: set[str] = set()
        self._ignored: set[str] = set()

    def add(self, name: str, take: Callable[[Tensor], object], *, optional: bool = False) -> None:
        """Register a tensor: ``take`` is called once with the tensor ``name``; if that is missing, it is an error,
        or, with ``optional``, not called. Raises ValueError where the name is taken.
        """
        if name in self._takers:
            raise ValueError(f"two layers want the tensor {name!r}")
        self._takers[name] = take
        if optional:
            self._optional.add(name)

    def ignore(self, *names: str) -> None:
        """Tensors that a checkpoint may hold and this model does not need (a tied head, old rotary tables)."""
        self._ignored.update(names)

    def load(self, weights: Iterable[tuple[str, Tensor]]) -> LoadReport:
        """Give every layer its tensors. Raises MisfitError if one has a wrong shape."""
        waiting = dict(self._takers)
        unexpected = []
        for name, tensor in weights:
            take = waiting.pop(name, None) or waiting.pop(self.prefix + name, None)
            if take is not None:
                _give(name, tensor, take)
            elif name not in self._ignored and not name.endswith("rotary_emb.inv_freq"):
                unexpected.append(name)
        missing = sorted(waiting.keys() - self._optional)
        return LoadReport(missing=tuple(missing), unexpected=tuple(sorted(unexpected)))


def _give(name: str, tensor: Tensor, take: Callable[[Tensor], object]) -> None:
    try:
        take(tensor)
    except (RuntimeError, IndexError, ValueError) as e:
        why = str(e).partition("\n")[0]
        raise MisfitError(name, f"the tensor {name!r} {list(tensor.shape)} does not fit config.json: {why}") from e


@dataclass(slots=True)
class ModelContext:
    """Context that layers are built with. ``ops`` answers which backend runs an operation of given facts."""

    dtype: torch.dtype
    device: torch.device
    world: World
    ops: Callable[..., Backend]  # ops("attention", head_dim=64, ...) -> the backend, or reference where it cannot
    pooling: PoolingInfo | None = None  # set where it pools: no language model's head; with labels, a classifier
    weights: WeightMap = field(default_factory=WeightMap)
    weight_format: str = "plain"  # what linear layers and experts round their weights to: int8, int4


@dataclass(slots=True)
class PoolRows:
    """Sequences of one step that are pooled in the same way: n of them, their tokens back to back.

    ``start``, ``first`` and ``last`` are on the host: where a sequence's tokens begin in ``hidden``, the position in
    its text of the first of them, and whether its text ends here. ``ids`` name the sequences from step to step.
    """

    hidden: Tensor  # [T, hidden], in the model's type
    token_ids: Tensor  # [T] int64
    start: NDArray[np.int64]  # [n + 1]
    first: NDArray[np.int64]  # [n]
    last: NDArray[np.bool_]  # [n]
    ids: list[int]


class Pooler:
    """Makes vectors of hidden states as they come, chunk by chunk; one instance per engine and pooler name.

    Texts shorter than a step come whole, longer ones over several steps: what is kept between them is the pooler's own,
    by the sequences' ids. What ``update`` raises ends all of ``rows`` but those that can be tried again alone.
    """

    def __init__(self, info: PoolingInfo) -> None:
        self.info = info

    def update(self, rows: PoolRows) -> Tensor | list[Tensor]:
        """Return the pooled states of the ``last`` ones, in order: ``[ended, hidden]``; of token tasks ``[rows,
        hidden]`` each.
        """
        raise NotImplementedError

    def forget(self, id: int) -> None:
        """Forget a sequence that is gone or begins again; called for every one, in any state."""


class Model(nn.Module):
    """An architecture. Build layers with ``ctx`` in ``__init__``; write ``forward`` and ``logits``.

    Neither may wait for the device (no ``.item()``, no shapes that depend on values) nor loop over sequences.
    """

    api_version: ClassVar[int] = API_VERSION
    takes_embeds: ClassVar[bool] = False  # whether ``forward`` looks at ``batch.embeds``, as VocabEmbedding.of does
    # Whether small steps may be recorded and run again for other sequences: ``forward`` takes from the batch only
    # ``shape.tokens`` and tensors, hands tensors to layers and torch alone, and running it twice over the same batch
    # leaves what running it once does (true of caches by position, not of recurrent state).
    replayable: ClassVar[bool] = False

    def __init__(self, config: Mapping[str, Any], ctx: ModelContext) -> None:
        super().__init__()
        self.ctx = ctx

    @property
    def long_after(self) -> int | None:
        """Length in tokens beyond which a sequence is computed another way, from its start; None: there is no such.

        Sequences that grow beyond it are computed again, and ``batch.long`` says whose tokens are which (longrope).
        """
        return None

    def cache_layers(self) -> list[CacheLayer]:
        """Return what each caching layer keeps, in the order of ``caching_modules``."""
        return [m.cache_layer for m in self.caching_modules()]

    def caching_modules(self) -> list[Any]:
        """Submodules with a ``cache_layer``, in the order in which they were built; each is bound to its pages once."""
        return [m for m in self.modules() if isinstance(getattr(m, "cache_layer", None), CacheLayer)]

    def forward(self, batch: Batch) -> Tensor:
        """Hidden states ``[T, hidden]`` after the last norm."""
        raise NotImplementedError

    def logits(self, hidden: Tensor) -> Tensor:
        """Return ``[L, hidden]`` -> ``[L, vocab_size]`` float32."""
        raise NotImplementedError

    def embed(self, pooled: Tensor) -> Tensor:
        """Return ``[n, hidden]`` pooled states -> ``[n, size]`` embeddings, neither cut nor normalised yet; both
        float32.
        """
        return pooled

    def classify(self, pooled: Tensor) -> Tensor:
        """Return ``[n, hidden]`` pooled states (of texts, or of tokens) -> ``[n, labels]``, without activation; both
        float32.

        A head that is built only where ``ctx.pooling`` has labels: keep its weights in float32.
        """
        raise NotImplementedError

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> LoadReport:
        """Hand each tensor of the checkpoint to the layer that wants it."""
        return self.ctx.weights.load(weights)
