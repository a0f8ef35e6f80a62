"""A logits processor: ``"extra_args": {"only": {"tokens": [5, 6]}}`` lets nothing else be said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from frameworkctl.interfaces import LogitsProcessorSpec, Register, RowProcessor, hookimpl

if TYPE_CHECKING:
    import torch


class Only(msgspec.Struct):
    tokens: list[int]


class OnlyProcessor(RowProcessor):
    """Runs in the engine, for the requests that asked for it."""

    def process(self, params: Only, prompt: Sequence[int], output: Sequence[int], row: torch.Tensor) -> torch.Tensor:
        kept = row[params.tokens].clone()
        row.fill_(float("-inf"))
        row[params.tokens] = kept
        return row


@hookimpl
def register_logits_processors(register: Register[LogitsProcessorSpec]) -> None:
    register(LogitsProcessorSpec(name="only", params=Only, implementation=f"{__name__}:OnlyProcessor"))
