"""Failures of logits processors end the request at fault; names that requests may have imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from frameworkctl.execution.sampling.logits_processors import ProcessorSet
from frameworkctl.interfaces import LogitsProcessor, LogitsProcessorSpec, ProcessorContext
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.plan import NewSequence

VOCAB = 6
ROWS = np.arange(3)
SOURCE = """
def zero_first(output, row):
    row[0] = float("-inf")
    return row

class Forbid:
    def __init__(self, *ids, after=0):
        self.ids, self.after = list(ids), after
    def __call__(self, prompt, output, row):
        if len(prompt) > self.after:
            row[self.ids] = float("-inf")
        return row
"""


class Add(msgspec.Struct):
    value: float


class Adder(LogitsProcessor):
    """Batch form; raises for negative values after it has begun to change the logits."""

    def __init__(self, ctx: ProcessorContext) -> None:
        super().__init__(ctx)
        self.values: dict[int, float] = {}

    def add(self, row: int, params: Add, prompt: Sequence[int], output: Sequence[int]) -> None:
        self.values[row] = params.value

    def remove(self, row: int) -> None:
        del self.values[row]

    def move(self, src: int, dst: int) -> None:
        self.values[dst] = self.values.pop(src)

    def apply(self, logits: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
        for i, row in enumerate(rows):
            logits[i] += self.values[row]
            if self.values[row] < 0:
                raise ValueError("negative")
        return logits


def make(pattern: str | None = None) -> ProcessorSet:
    spec = LogitsProcessorSpec(name="add", params=Add, implementation=f"{__name__}:Adder")
    sys.modules.setdefault(__name__, sys.modules[Adder.__module__])
    ctx = ProcessorContext(vocab_size=VOCAB, max_rows=4, device=torch.device("cpu"), options={})
    return ProcessorSet({"add": (spec, "a plugin")}, ctx, pattern)


def add(processors: ProcessorSet, row: int, name: str, params: object) -> None:
    wanted = SamplingParams(max_tokens=1, processors={name: msgspec.json.encode(params)})
    processors.add(row, NewSequence(row, b"", 2, 0, [], wanted, 0, []), [4, 5], [])


def test_batch_processor_that_raises_ends_one_request() -> None:
    processors = make()
    for row, value in enumerate((1.0, -1.0, 2.0)):
        add(processors, row, "add", Add(value))
    logits = torch.zeros(3, VOCAB)
    processors.apply(logits, ROWS, changes_argmax=True)
    assert logits[0].tolist() == [1.0] * VOCAB
    assert logits[2].tolist() == [2.0] * VOCAB
    assert list(processors.failed) == [1]
    assert "'add' of plugin a plugin failed: ValueError: negative" in processors.failed[1]


def test_imported_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function, and a class with arguments; of several requests each has its own."""
    (tmp_path / "some_processors.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    processors = make(r"some_processors\..*")
    add(processors, 0, "some_processors.zero_first", {})
    add(processors, 1, "some_processors.Forbid", {"args": [1, 2], "kwargs": {"after": 1}})
    add(processors, 2, "some_processors.Forbid", {"args": [3], "kwargs": {"after": 2}})
    logits = torch.zeros(3, VOCAB)
    processors.apply(logits, ROWS, changes_argmax=True)
    assert processors.failed == {}
    forbidden = [torch.nonzero(row == float("-inf"))[:, 0].tolist() for row in logits]
    assert forbidden == [[0], [1, 2], []]


@pytest.mark.parametrize("pattern", [None, r"some_processors\..*"])
def test_nothing_else_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str | None) -> None:
    """Whatever reaches the engine."""
    (tmp_path / "other_processors.py").write_text("raise SystemError('was imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    processors = make(pattern)
    for row, name in enumerate(("other_processors.f", "xsome_processors.f")):
        add(processors, row, name, {})
        assert "does not allow" in processors.failed[row]
    assert "other_processors" not in sys.modules
