"""Logits processors that a request names by where they are, if the operator's pattern lets it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from torch import Tensor

from frameworkctl.interfaces.generation.logits import LogitsProcessorSpec, ProcessorContext, RowProcessor
from frameworkctl.plugins.importing import import_object


class Arguments(msgspec.Struct):
    """Arguments with which the imported object makes the processor; with none, a function is the processor itself."""

    args: list[Any] = []
    kwargs: dict[str, Any] = {}


class ImportedProcessor(RowProcessor):
    """Calls ``f(output ids, logits [vocab_size])`` or ``f(prompt ids, output ids, logits)``, which returns logits."""

    def __init__(self, ctx: ProcessorContext, qualname: str) -> None:
        super().__init__(ctx)
        module, _, name = qualname.rpartition("." if ":" not in qualname else ":")
        self._target: Any = import_object(f"{module}:{name}")

    def add(self, row: int, params: Arguments, prompt: Sequence[int], output: Sequence[int]) -> None:
        made = inspect.isclass(self._target) or params.args or params.kwargs
        call = self._target(*params.args, **params.kwargs) if made else self._target
        super().add(row, (call, len(inspect.signature(call).parameters) > 2), prompt, output)

    def process(
        self, params: tuple[Callable[..., Tensor], bool], prompt: Sequence[int], output: Sequence[int], row: Tensor
    ) -> Tensor:
        call, wants_prompt = params
        return call(prompt, output, row) if wants_prompt else call(output, row)


def imported_spec(qualname: str, pattern: str | None) -> LogitsProcessorSpec:
    """Raise PermissionError unless ``pattern`` allows the name: nothing else is ever imported."""
    if pattern is None or not re.fullmatch(pattern, qualname):
        raise PermissionError("--logits-processor-pattern does not allow it")
    return LogitsProcessorSpec(name=qualname, params=Arguments, implementation=qualname, tokens="host")
