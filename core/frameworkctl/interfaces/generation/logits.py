"""Logits processors: how one is declared (server side) and what it implements (engine side)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from frameworkctl.interfaces.markers import API_VERSION

if TYPE_CHECKING:
    import torch

    from frameworkctl.interfaces.served_model import ServedModel


class LogitsProcessorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A logits processor that a request switches on with ``extra_args: {NAME: {...}}``.

    ``params`` is the Struct those arguments must fit; ``prepare`` (server side, in a worker thread) may then turn them
    into what the engine needs, a Struct of type ``prepared``: words into token ids, for instance. ``changes_argmax``
    False promises that the most likely token stays it, so that greedy requests skip the processor. ``tokens`` is where
    the processor wants to see a sequence's tokens: not at all, or as a list on the host. A request may also switch it
    on with ``vllm_xargs``, a flat map: by its name, whose value is then the first field of ``params``, or by any of the
    fields named in ``arguments``.
    """

    name: str
    params: type[msgspec.Struct]
    implementation: str
    changes_argmax: bool = True
    tokens: Literal["none", "host"] = "none"
    prepare: Callable[[Any, ServedModel], msgspec.Struct] | None = None
    prepared: type[msgspec.Struct] | None = None
    arguments: tuple[str, ...] = ()
    api_version: int = API_VERSION


class ProcessorContext(msgspec.Struct, frozen=True, kw_only=True):
    """Given to a processor once, when the engine starts."""

    vocab_size: int
    max_rows: int
    device: torch.device
    options: Mapping[str, Any]


class LogitsProcessor(ABC):
    """The batch form: one instance per engine, state kept per row of the batch.

    A row is a sequence's place in the batch; only rows that were added are ever passed. What ``apply`` raises ends a
    request with an error naming the plugin, and nobody else's: after a failure with several rows, it is called again
    with each alone, on logits as they were before.
    """

    api_version: ClassVar[int] = API_VERSION

    def __init__(self, ctx: ProcessorContext) -> None:
        self.ctx = ctx

    @abstractmethod
    def add(self, row: int, params: Any, prompt: Sequence[int], output: Sequence[int]) -> None:
        """Add a sequence in a row. ``prompt`` and ``output`` are empty unless the spec says ``tokens="host"``;
        ``output`` is live: it grows as tokens are sampled."""

    @abstractmethod
    def remove(self, row: int) -> None:
        """Remove the sequence in the row."""

    @abstractmethod
    def move(self, src: int, dst: int) -> None:
        """Move the sequence in row ``src`` to row ``dst``, which was empty."""

    @abstractmethod
    def apply(self, logits: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
        """Logits ``[len(rows), vocab_size]`` float32, row i belonging to batch row ``rows[i]``. May work in place."""


class RowProcessor(LogitsProcessor):
    """The short form: write ``process`` for one sequence; core keeps the rows."""

    def __init__(self, ctx: ProcessorContext) -> None:
        super().__init__(ctx)
        self._rows: dict[int, tuple[Any, Sequence[int], Sequence[int]]] = {}

    @abstractmethod
    def process(self, params: Any, prompt: Sequence[int], output: Sequence[int], row: torch.Tensor) -> torch.Tensor:
        """New logits ``[vocab_size]`` float32 of one sequence; may change ``row`` in place and return it."""

    def add(self, row: int, params: Any, prompt: Sequence[int], output: Sequence[int]) -> None:
        self._rows[row] = (params, prompt, output)

    def remove(self, row: int) -> None:
        self._rows.pop(row, None)

    def move(self, src: int, dst: int) -> None:
        self._rows[dst] = self._rows.pop(src)

    def apply(self, logits: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
        for i, row in enumerate(rows):
            logits[i] = self.process(*self._rows[row], logits[i])
        return logits
