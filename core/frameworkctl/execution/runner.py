"""Runs plans: keeps the batch, starts the forward, finishes it with a token per sequence."""

from __future__ import annotations

import math

import numpy as np
import torch
from frameworkctl_kernels.protocol import Backend
from numpy.typing import NDArray
from torch import Tensor

from frameworkctl.execution.embeds.reader import read_embeds
from frameworkctl.execution.embeds.rows import EmbedRows
from frameworkctl.execution.sampling.logits_processors import ProcessorSet
from frameworkctl.execution.sampling.masks import apply_masks
from frameworkctl.execution.sampling.prompt_scores import PromptScorer
from frameworkctl.execution.sampling.rows import SamplingRows
from frameworkctl.execution.sampling.sampler import Sampler, collect
from frameworkctl.interfaces.engine import Model
from frameworkctl.scheduling.cache.groups import PoolLayout
from frameworkctl.scheduling.plan import NO_TOKEN, Masks, Sampled, StepPlan

from .batch import PersistentBatch
from .memory import clear_new_pages
from .replays import Replays
from .speculation import accepted

NOT_A_NUMBER = "the model computed logits that are not finite numbers; send another prompt or check the model's weights"


class Runner:
    """One rank of an engine. ``launch`` and ``sample`` alternate; between them the host is free."""

    def __init__(
        self,
        model: Model,
        layout: PoolLayout,
        pool: Tensor,
        backends: list[Backend],
        processors: ProcessorSet,
        *,
        max_seqs: int,
        max_tokens: int,
        max_len: int,
        device: torch.device,
        eager: bool = False,
    ) -> None:
        self.model, self.backends, self.processors = model, backends, processors
        self.replays = Replays(model, () if eager else backends)
        self.batch = PersistentBatch(
            layout.groups,
            max_seqs=max_seqs,
            max_tokens=max_tokens,
            max_len=max_len,
            device=device,
            long_after=model.long_after,
        )
        self._pool = pool.view(torch.int64)
        self.rows = SamplingRows(max_seqs, device)
        self.sampler = Sampler(self.batch, self.rows, processors, backends[0] if backends else None)
        self.scorer = PromptScorer(model, self.batch, max_seqs)
        self.embeds = EmbedRows(max_tokens, model.ctx.dtype, device)
        self._listeners = (self.rows, self.processors, self.scorer, self.embeds)
        self._plan: StepPlan | None = None
        self._sampled: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._logits: Tensor | None = None

    def reset(self) -> None:
        """Drop all rows after a step that raised; the scheduler announces those that go on as new ones."""
        self.batch.clear(self._listeners)
        self.replays.clear()
        self._plan = self._logits = None

    @torch.inference_mode()
    def launch(self, plan: StepPlan) -> None:
        """Apply the plan's changes and start computing its tokens."""
        self.batch.apply(plan, self._listeners)
        clear_new_pages(self._pool, plan)
        self._plan, self._logits = plan, None
        batch, self._sampled = self.batch.prepare(plan)
        self.embeds.place(batch, self.batch.computed)
        for backend in self.backends:
            backend.plan(batch.shape, batch.groups)
        hidden = self.replays.forward(batch)
        self.scorer.keep(batch, hidden)
        if len(self._sampled):
            self._logits = self.model.logits(hidden.index_select(0, batch.logits_index))

    @torch.inference_mode()
    def sample(self, masks: Masks | None = None) -> list[Sampled]:
        """Return tokens for every sequence of the plan that was to be sampled, and scores of prompts that were
        computed; waits for the device. ``masks`` are those of sampled sequences that are held to a grammar.
        """
        plan, rows, logits = self._plan, self._sampled, self._logits
        assert plan is not None, "launch() comes first"
        self._plan = self._logits = None
        scores = {int(self.batch.ids[row]): found for row, found in self.scorer.take().items()}
        if logits is None:
            return [Sampled(id_, None, scores=found) for id_, found in scores.items()]
        ids = [s.id for s in plan.scheduled if s.sample]
        if masks is not None:
            self._mask(logits, ids, masks)
        tokens, logprobs = self.sampler.sample(logits, rows, self.batch.ahead)
        extra = collect(logprobs, tokens) if logprobs is not None else {}
        if self.batch.ahead is not None:
            extra = {int(n): extra[int(i)] for n, i in enumerate(np.flatnonzero(self.batch.ahead == 0)) if i in extra}
        rows, new = self._keep(plan, rows, tokens)
        failed = {**self._senseless(), **self.processors.failed}
        out = []
        for i, (id_, row, own) in enumerate(zip(ids, rows.tolist(), new, strict=True)):
            self.batch.outputs[row] += own
            error = failed.get(row)
            out.append(Sampled(id_, own[0], extra.get(i), error, scores.pop(id_, None), more=own[1:]))
        return out + [Sampled(id_, None, scores=found) for id_, found in scores.items()]

    def _senseless(self) -> dict[int, str]:
        """Return why requests of sampled rows have to end: their logits are not finite, or leave no token to choose."""
        peaks = self.sampler.peaks
        if peaks is None or bool(peaks.isfinite().all()):
            return {}
        found = zip(self._sampled.tolist(), peaks.tolist(), strict=True)
        return {row: NO_TOKEN if p == float("-inf") else NOT_A_NUMBER for row, p in found if not math.isfinite(p)}

    def _keep(
        self, plan: StepPlan, rows: NDArray[np.int64], tokens: Tensor
    ) -> tuple[NDArray[np.int64], list[list[int]]]:
        """Sampled rows, each once, and the new tokens of each."""
        if self.batch.ahead is None:
            self.batch.write_sampled(rows, tokens)
            return rows, [[token] for token in tokens.tolist()]
        new = accepted(plan, tokens.tolist())
        return self.batch.write_accepted(plan, new), new

    def read_embeds(self, data: bytes, hidden_size: int, max_tokens: int) -> tuple[bytes, int]:
        """Rows of a request's file, as a prompt's ``embeds``, and how many. Raises ValueError where it cannot be."""
        if not self.model.takes_embeds:
            raise ValueError("this model cannot take embeddings in place of tokens")
        return read_embeds(data, hidden_size=hidden_size, max_tokens=max_tokens, dtype=self.model.ctx.dtype)

    def _mask(self, logits: Tensor, ids: list[int], masks: Masks) -> None:
        """Apply grammar masks before anything else: logprobs are those of the tokens that the grammar leaves."""
        ahead = self.batch.ahead
        first = range(len(ids)) if ahead is None else np.flatnonzero(ahead == 0).tolist()
        place = dict(zip(ids, first, strict=True))
        places = [place[id_] for id_ in masks.ids]
        apply_masks(logits, places, masks.bits)
        for at, must_end in zip(places, masks.must_end, strict=True):
            if must_end:
                self.rows.min_tokens[self._sampled[at]] = 0
