"""A batch and a sampler without a model: logits are given, tokens come."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from frameworkctl.execution.batch import PersistentBatch
from frameworkctl.execution.sampling.logits_processors import ProcessorSet
from frameworkctl.execution.sampling.rows import SamplingRows
from frameworkctl.execution.sampling.sampler import Sampler, collect
from frameworkctl.interfaces import ProcessorContext
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.cache.groups import Group
from frameworkctl.scheduling.plan import NewSequence, StepPlan


def int32(tokens: list[int]) -> bytes:
    return np.array(tokens, dtype=np.int32).tobytes()


class Bench:
    """Sequences are (prompt, output so far, parameters); ``sample`` gives each its next token."""

    def __init__(self, *sequences: tuple[list[int], list[int], SamplingParams], vocab: int) -> None:
        groups = [Group("full", 16, None, (0,))]
        n = len(sequences)
        device = torch.device("cpu")
        self.batch = PersistentBatch(groups, max_seqs=max(n, 1), max_tokens=64, max_len=64, device=device)
        self.rows = SamplingRows(max(n, 1), device)
        self.processors = ProcessorSet({}, ProcessorContext(vocab_size=vocab, max_rows=n, device=device, options={}))
        self.sampler = Sampler(self.batch, self.rows, self.processors)
        new = [
            NewSequence(i, int32(prompt + output), len(prompt), 0, [[1, 2, 3, 4]], p, p.seed or i, [0])
            for i, (prompt, output, p) in enumerate(sequences, start=1)
        ]
        self.batch.apply(StepPlan(1, [], new, [], [], []), (self.rows, self.processors))

    def sample(self, logits: torch.Tensor) -> tuple[list[int], Any]:
        tokens, logprobs = self.sampler.sample(logits.clone(), np.arange(self.batch.size))
        return tokens.tolist(), None if logprobs is None else collect(logprobs, tokens)
