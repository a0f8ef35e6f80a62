"""Logits processors of plugins in the engine: which rows want which, and what happens when one raises."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from frameworkctl.interfaces.generation.logits import (
    LogitsProcessor,
    LogitsProcessorSpec,
    ProcessorContext,
    RowProcessor,
)
from frameworkctl.plugins.importing import load_class
from frameworkctl.scheduling.plan import NewSequence

from .imported_processors import Arguments, ImportedProcessor, imported_spec

log = logging.getLogger("frameworkctl.engine")


class ProcessorSet:
    """One instance per processor that a request has asked for, made at its first use."""

    def __init__(
        self, specs: Mapping[str, tuple[LogitsProcessorSpec, str]], ctx: ProcessorContext, pattern: str | None = None
    ) -> None:
        self.specs = dict(specs)  # name -> spec, and the plugin it came from
        self.ctx = ctx
        self.pattern = pattern  # for names that a request may have imported
        self._instances: dict[str, LogitsProcessor] = {}
        self._rows: dict[str, set[int]] = {}
        self.failed: dict[int, str] = {}  # row -> why its request has to end

    def add(self, row: int, new: NewSequence, prompt: Sequence[int], output: Sequence[int]) -> None:
        for name, raw in (new.params.processors or {}).items():
            try:
                if name not in self.specs:
                    self.specs[name] = (imported_spec(name, self.pattern), name)
                spec, _ = self.specs[name]
                processor = self._instance(name, spec)
                shown = (prompt, output) if spec.tokens == "host" else ((), ())
                processor.add(row, msgspec.json.decode(raw, type=spec.prepared or spec.params), *shown)
            except Exception as e:  # noqa: BLE001  a plugin may raise anything; its request ends, nobody else's
                self._fail(name, [row], e)
            else:
                self._rows[name].add(row)

    def _instance(self, name: str, spec: LogitsProcessorSpec) -> LogitsProcessor:
        if name not in self._instances:
            if spec.params is Arguments:
                self._instances[name] = ImportedProcessor(self.ctx, name)
            else:
                self._instances[name] = load_class(spec.implementation)(self.ctx)
            self._rows[name] = set()
        return self._instances[name]

    def remove(self, row: int) -> None:
        self.failed.pop(row, None)
        for name, rows in self._rows.items():
            if row in rows:
                rows.discard(row)
                self._guarded(name, [row], lambda p: p.remove(row))

    def move(self, src: int, dst: int) -> None:
        if src in self.failed:
            self.failed[dst] = self.failed.pop(src)
        for name, rows in self._rows.items():
            if src in rows:
                rows.discard(src)
                rows.add(dst)
                self._guarded(name, [dst], lambda p: p.move(src, dst))

    def clear(self) -> None:
        """Drop all rows, and the instances, which a call that raised may have left half changed."""
        self._instances.clear()
        self._rows.clear()
        self.failed.clear()

    def apply(self, logits: Tensor, rows: NDArray[np.int64], *, changes_argmax: bool) -> None:
        """Run the processors of one kind over ``logits [L, V]``, in place; row i of it is batch row ``rows[i]``."""
        if not any(self._rows.values()):
            return
        place = {row: i for i, row in enumerate(rows.tolist())}
        for name, processor in self._instances.items():
            if self.specs[name][0].changes_argmax != changes_argmax:
                continue
            mine = [row for row in self._rows[name] if row in place and row not in self.failed]
            # One at a time where core keeps the rows, so that a failure is known to be that row's.
            for chunk in [[r] for r in mine] if isinstance(processor, RowProcessor) else [mine] * bool(mine):
                self._apply_to(name, processor, logits, chunk, [place[r] for r in chunk])

    def _apply_to(self, name: str, processor: LogitsProcessor, logits: Tensor, rows: list[int], at: list[int]) -> None:
        try:
            changed = processor.apply(logits[at], rows)
            if changed.shape != (len(at), logits.shape[1]):
                raise ValueError(f"apply() returned shape {tuple(changed.shape)}")
            logits[at] = changed
        except Exception as e:  # noqa: BLE001
            if len(rows) == 1:
                self._fail(name, rows, e)
                return
            for row, place in zip(rows, at, strict=True):  # whose fault it is shows when each is asked alone
                self._apply_to(name, processor, logits, [row], [place])

    def _guarded(self, name: str, rows: list[int], call: Callable[[LogitsProcessor], None]) -> None:
        try:
            call(self._instances[name])
        except Exception as e:  # noqa: BLE001
            self._fail(name, rows, e)

    def _fail(self, name: str, rows: list[int], error: Exception) -> None:
        plugin = self.specs[name][1] if name in self.specs else "?"
        message = f"logits processor {name!r} of plugin {plugin} failed: {type(error).__name__}: {error}"
        log.error("%s", message, exc_info=error)
        for row in rows:
            self.failed[row] = message
