"""Runs plans of a model that pools: forward, poolers over the rows of the step, heads, one transfer per kind."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from frameworkctl_kernels.protocol import Backend
from numpy.typing import NDArray
from torch import Tensor

from frameworkctl.execution.batch import PersistentBatch
from frameworkctl.execution.memory import clear_new_pages
from frameworkctl.interfaces.engine import Batch, Model, Pooler, PoolingInfo, PoolParams, PoolRows
from frameworkctl.interfaces.pooling import TOKEN_TASKS, PoolTask
from frameworkctl.scheduling.cache.groups import PoolLayout
from frameworkctl.scheduling.plan import Masks, Sampled, StepPlan, Vectors

from .batch import whole_batch
from .heads import Heads
from .poolers import rows_at

log = logging.getLogger("frameworkctl.engine")

NOT_FINITE = "the model computed values that are not finite; send another text or check the model's weights"


class PoolingRunner:
    """As ``Runner``, for texts that are pooled. ``poolers`` by name."""

    def __init__(
        self,
        model: Model,
        layout: PoolLayout,
        pool: Tensor,
        backends: list[Backend],
        heads: Heads,
        poolers: Mapping[str, Pooler],
        *,
        max_seqs: int,
        max_tokens: int,
        max_len: int,
        device: torch.device,
    ) -> None:
        self.model, self.backends, self.heads, self.poolers = model, backends, heads, poolers
        self.info: PoolingInfo = heads.info
        self.device = device
        self.batch = None
        if not self.info.whole:
            self.batch = PersistentBatch(
                layout.groups,
                max_seqs=max_seqs,
                max_tokens=max_tokens,
                max_len=max_len,
                device=device,
                long_after=model.long_after,
            )
        self._pool = pool.view(torch.int64) if pool.numel() else pool  # encoders keep nothing
        self._params: dict[int, PoolParams] = {}
        self._rows: PoolRows | None = None

    def reset(self) -> None:
        """Drop all texts after a step that raised; the scheduler announces those that go on as new ones."""
        for id_ in self._params:
            self._forget(id_)
        self._params.clear()
        if self.batch is not None:
            self.batch.clear(())
        self._rows = None

    @torch.inference_mode()
    def launch(self, plan: StepPlan) -> None:
        """Start computing the plan's tokens."""
        for id_ in plan.dropped:
            self._params.pop(id_, None)
            self._forget(id_)
        for new in plan.new:
            assert new.pool is not None, "this model only pools"
            self._params[new.id] = new.pool
        self._rows = self._whole(plan) if self.batch is None else self._chunks(self.batch, plan)

    def _forget(self, id_: int) -> None:
        for name, pooler in self.poolers.items():
            try:
                pooler.forget(id_)
            except Exception:  # a plugin may raise anything, and the text has ended anyway
                log.exception("the pooler %s failed to forget a text", name)

    def _whole(self, plan: StepPlan) -> PoolRows:
        batch, start = whole_batch(plan, self.device)
        self._plan(batch)
        count = len(plan.new)
        return PoolRows(
            hidden=self.model(batch),
            token_ids=batch.input_ids,
            start=start,
            first=np.zeros(count, dtype=np.int64),
            last=np.ones(count, dtype=np.bool_),
            ids=[n.id for n in plan.new],
        )

    def _chunks(self, persistent: PersistentBatch, plan: StepPlan) -> PoolRows:
        persistent.apply(plan, ())
        clear_new_pages(self._pool, plan)
        batch, _ = persistent.prepare(plan)
        self._plan(batch)
        lens = batch.shape.query_lens
        rows = np.flatnonzero(lens)  # some have no token in this step
        ends = np.cumsum(lens)[rows]
        computed = persistent.computed[rows]
        return PoolRows(
            hidden=self.model(batch),
            token_ids=batch.input_ids,
            start=np.concatenate(([0], ends)).astype(np.int64),
            first=computed - lens[rows],
            last=computed == persistent.prompt_len[rows],
            ids=persistent.ids[rows].tolist(),
        )

    def _plan(self, batch: Batch) -> None:
        for backend in self.backends:
            backend.plan(batch.shape, batch.groups)

    @torch.inference_mode()
    def sample(self, masks: Masks | None = None) -> list[Sampled]:
        """Return what the texts that ended in the step were pooled to; waits for the device."""
        rows, self._rows = self._rows, None
        assert rows is not None, "launch() comes first"
        out: list[Sampled] = []
        for name, part in self._by_pooler(rows):
            ids = [i for i, last in zip(part.ids, part.last, strict=True) if last]
            try:
                states = self.poolers[name].update(part)
            except Exception as e:  # noqa: BLE001  a plugin may raise anything
                ids, states, failed = self._apart(self.poolers[name], part, e)
                out += failed
            out += self._results(ids, states)
        return out

    def _by_pooler(self, rows: PoolRows) -> list[tuple[str, PoolRows]]:
        """Return the rows, and with which pooler."""
        tokens = np.fromiter((self._params[i].task in TOKEN_TASKS for i in rows.ids), np.bool_, len(rows.ids))
        if not tokens.any():
            return [(self.info.pooler, rows)]
        if tokens.all():
            return [(self.info.token_pooler, rows)]
        return [(self.info.pooler, chosen(rows, ~tokens)), (self.info.token_pooler, chosen(rows, tokens))]

    def _apart(self, pooler: Pooler, rows: PoolRows, error: Exception) -> tuple[list[int], list[Tensor], list[Sampled]]:
        """Return a pooler failed: texts that came whole are tried one by one, others end with it.

        Returns ids and states of those that succeed, and the ends of the others.
        """
        log.error("a pooler failed; its texts are tried one by one", exc_info=error)
        ids: list[int] = []
        states: list[Tensor] = []
        failed = []
        for at, id_ in enumerate(rows.ids):
            self._forget(id_)
            why = error
            if rows.first[at] == 0 and rows.last[at]:
                try:
                    found = pooler.update(chosen(rows, np.arange(len(rows.ids)) == at))
                    ids.append(id_)
                    states.append(found[0])
                    continue
                except Exception as e:  # noqa: BLE001
                    why = e
            failed.append(Sampled(id_, None, error=f"the pooler failed: {type(why).__name__}: {why}"))
        return ids, states, failed

    def _results(self, ids: list[int], states: Tensor | list[Tensor]) -> list[Sampled]:
        """Through the heads, those that want the same together."""
        kinds: dict[tuple[PoolTask, bool, int | None], list[int]] = {}
        for at, id_ in enumerate(ids):
            params = self._params[id_]
            kinds.setdefault((params.task, params.activate, params.dimensions), []).append(at)
        out = []
        for (task, activate, dimensions), places in kinds.items():
            own = states if len(kinds) == 1 else [states[at] for at in places]
            of_tokens = task in TOKEN_TASKS
            counts = [len(t) for t in own] if of_tokens else None
            flat = own if isinstance(own, Tensor) else torch.cat(own) if of_tokens else torch.stack(own)
            made = self.heads(flat, PoolParams(task, activate, dimensions))
            out += _packed([ids[at] for at in places], made, counts)
        return out


def _packed(ids: Sequence[int], made: Tensor, counts: list[int] | None) -> list[Sampled]:
    """Return ``made [n, width]`` cut into the vectors of each; ``counts`` rows each, or one (None)."""
    width = made.shape[1]
    data = made.float().contiguous().cpu().numpy().tobytes()
    finite = bool(torch.isfinite(made).all())  # once for all of them
    out, at = [], 0
    for place, id_ in enumerate(ids):
        rows = None if counts is None else counts[place]
        end = at + 4 * width * (1 if rows is None else rows)
        if finite or np.isfinite(np.frombuffer(data[at:end], dtype=np.float32)).all():
            out.append(Sampled(id_, None, vectors=Vectors(data[at:end], width, rows)))
        else:
            out.append(Sampled(id_, None, error=NOT_FINITE))
        at = end
    return out


def chosen(rows: PoolRows, which: NDArray[np.bool_]) -> PoolRows:
    """Return some of the rows as if there were no others."""
    lens = np.diff(rows.start)
    index = np.flatnonzero(np.repeat(which, lens))
    return PoolRows(
        hidden=rows_at(rows.hidden, index),
        token_ids=rows_at(rows.token_ids, index),
        start=np.concatenate(([0], np.cumsum(lens[which]))).astype(np.int64),
        first=rows.first[which],
        last=rows.last[which],
        ids=[i for i, w in zip(rows.ids, which, strict=True) if w],
    )
