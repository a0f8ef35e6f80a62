"""Runs one model on several gloo ranks, a process each, with the schedule every rank computes for itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from frameworkctl.testing import InProcessEngine
from frameworkctl.testing.parity import GREEDY, oracle, prompts
from torch import Tensor


class GlooWorld:
    """Implements ``interfaces.engine.World`` over torch.distributed."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

    def all_reduce(self, x: Tensor) -> Tensor:
        x = x.contiguous()
        dist.all_reduce(x)
        return x

    def all_gather(self, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(self.size)]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts, dim=-1)


def check_two_ranks(folder: Path, lengths: Sequence[int], store: Path) -> None:
    """Both ranks' tokens are those of one engine alone, and their logits transformers', for prompts of ``lengths``."""
    single = InProcessEngine(folder)
    given = prompts(single, lengths)
    want = single.generate(given, GREEDY)
    for outputs, logits in generate_on_ranks(folder, given, ranks=2, store=store):
        assert outputs == want
        for number, (prompt, output) in enumerate(zip(given, want, strict=True), start=1):
            with torch.no_grad():
                reference = oracle(folder)(torch.tensor([prompt + output])).logits[0, len(prompt) - 1 : -1]
            assert (logits[number] - reference).abs().max() < 1e-3


def generate_on_ranks(
    folder: Path, given: list[list[int]], *, ranks: int, store: Path
) -> list[tuple[list[list[int]], dict[int, Tensor]]]:
    """Greedy outputs and logits (by sequence) of every rank."""
    torch.save((str(folder), given), f"{store}.in")
    processes = [
        subprocess.Popen([sys.executable, __file__, str(rank), str(ranks), str(store)]) for rank in range(ranks)
    ]
    assert [p.wait(120) for p in processes] == [0] * ranks
    return [torch.load(f"{store}.out{rank}") for rank in range(ranks)]


def main(rank: int, size: int, store: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=dist.FileStore(store, size), rank=rank, world_size=size)
    folder, given = torch.load(f"{store}.in")
    engine = InProcessEngine(folder, world=GlooWorld(rank, size))
    engine.record_logits = True
    outputs = engine.generate(given, GREEDY)
    logits = {number: torch.stack(rows) for number, rows in engine.logits.items()}
    torch.save((outputs, logits), f"{store}.out{rank}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
