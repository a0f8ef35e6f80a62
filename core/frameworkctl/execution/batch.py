"""The persistent batch: one row per running sequence, kept dense, updated in place by what a plan says changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from frameworkctl_kernels.protocol import GroupView, StepShape
from numpy.typing import NDArray
from torch import Tensor

from frameworkctl.interfaces.engine import Batch
from frameworkctl.scheduling.cache.groups import TOKEN_KINDS, Group
from frameworkctl.scheduling.plan import NewSequence, StepPlan

from .buffers import Mirror


class RowListener(Protocol):
    """Someone with state per row."""

    def add(self, row: int, new: NewSequence, prompt: Sequence[int], output: Sequence[int]) -> None: ...
    def remove(self, row: int) -> None: ...
    def move(self, src: int, dst: int) -> None: ...
    def clear(self) -> None: ...


class PersistentBatch:
    """Rows 0..size-1 are sequences. ``tokens [rows, length]`` int64 holds every known token on the device, -1 where a
    prompt has an embedding instead.

    ``known``, ``computed`` and ``prompt_len`` count tokens per row on the host; ``known`` runs ahead of values that are
    still being sampled.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        *,
        max_seqs: int,
        max_tokens: int,
        max_len: int,
        device: torch.device,
        long_after: int | None = None,
    ) -> None:
        self.groups, self.max_len, self.device = groups, max_len, device
        self._long_after = long_after
        self._long = np.zeros(max_seqs, dtype=np.int64)
        self._long_tokens = Mirror((max_tokens,), np.int64, device) if long_after is not None else None
        self.tokens = torch.zeros(max_seqs, max_len, dtype=torch.int64, device=device)
        self._flat_tokens = self.tokens.view(-1)
        self.size = 0
        self.row_of: dict[int, int] = {}
        self.ids = np.zeros(max_seqs, dtype=np.int64)
        self.known = np.zeros(max_seqs, dtype=np.int64)
        self.computed = np.zeros(max_seqs, dtype=np.int64)
        self.prompt_len = np.zeros(max_seqs, dtype=np.int64)
        self.outputs: list[list[int]] = [[] for _ in range(max_seqs)]  # live output tokens, for logits processors
        self._pages = np.zeros((len(groups), max_seqs), dtype=np.int64)  # table entries in use
        columns = [1 if g.kind == "state" else -(-max_len // g.block_size) for g in groups]
        self._tables = [Mirror((max_seqs, n), np.int32, device) for n in columns]
        self._seq_lens = Mirror((max_seqs,), np.int32, device)
        self._query_start = Mirror((max_seqs + 1,), np.int32, device)
        self._positions = Mirror((max_tokens,), np.int64, device)
        self._token_index = Mirror((max_tokens,), np.int64, device)
        self._logits_index = Mirror((max(max_seqs, max_tokens),), np.int64, device)
        self.ahead: NDArray[np.int64] | None = None  # of a step's logits, by how many drafts; None: it has none
        self._slots = [Mirror((max_tokens,), np.int64, device) for _ in groups]
        self._input_ids = torch.zeros(max_tokens, dtype=torch.int64, device=device)

    # -- rows

    def apply(self, plan: StepPlan, listeners: Sequence[RowListener]) -> None:
        """Apply what a plan changes: sequences that leave, enter or get more pages."""
        for id_ in plan.dropped:
            self._remove(id_, listeners)
        for new in plan.new:
            self._add(new, listeners)
        for more_tokens in plan.tokens:
            row = self.row_of[more_tokens.id]
            values = np.frombuffer(more_tokens.tokens, dtype=np.int32)
            self._write_tokens(row, values, at=int(self.known[row]))
            self.prompt_len[row] = self.known[row]
        for more in plan.pages:
            row = self.row_of[more.id]
            for g, pages in enumerate(more.tables):
                self._append_pages(g, row, pages)

    def _add(self, new: NewSequence, listeners: Sequence[RowListener]) -> None:
        row = self.size
        self.size += 1
        self.row_of[new.id] = row
        values = np.frombuffer(new.tokens, dtype=np.int32)
        self.ids[row], self.prompt_len[row], self.computed[row] = new.id, new.prompt_len, new.computed
        self._long[row] = self._long_after is not None and len(values) > self._long_after
        self._write_tokens(row, values, at=0)
        self._pages[:, row] = 0
        for g, pages in enumerate(new.tables):
            self._append_pages(g, row, pages)
        self.outputs[row] = values[new.prompt_len :].tolist()
        prompt = values[: new.prompt_len]
        for listener in listeners:
            listener.add(row, new, prompt[prompt >= 0].tolist(), self.outputs[row])

    def _write_tokens(self, row: int, values: NDArray[np.int32], at: int) -> None:
        end = at + len(values)
        self.tokens[row, at:end] = torch.from_numpy(values.astype(np.int64)).to(self.device)
        self.known[row] = end

    def _append_pages(self, g: int, row: int, pages: list[int]) -> None:
        at = int(self._pages[g, row])
        self._tables[g].host[row, at : at + len(pages)] = pages
        self._pages[g, row] = at + len(pages)

    def _remove(self, id_: int, listeners: Sequence[RowListener]) -> None:
        """Remove a row; the last row takes its place, so that rows stay dense."""
        row, last = self.row_of.pop(id_), self.size - 1
        self.size = last
        for listener in listeners:
            listener.remove(row)
        if row == last:
            return
        known = int(self.known[last])
        self.tokens[row, :known] = self.tokens[last, :known]
        for array in (self.ids, self.known, self.computed, self.prompt_len, self._long):
            array[row] = array[last]
        self.outputs[row] = self.outputs[last]
        for g, table in enumerate(self._tables):
            n = int(self._pages[g, last])
            table.host[row, :n] = table.host[last, :n]
            self._pages[g, row] = n
        self.row_of[int(self.ids[row])] = row
        for listener in listeners:
            listener.move(last, row)

    def clear(self, listeners: Sequence[RowListener]) -> None:
        """Drop all rows, whatever state a step that raised has left them in. Buffers keep their addresses."""
        self.size = 0
        self.row_of.clear()
        self.ahead = None
        for listener in listeners:
            listener.clear()

    # -- one step

    def prepare(self, plan: StepPlan) -> tuple[Batch, NDArray[np.int64]]:
        """Return the batch of a step, and the rows that are sampled, in the order of ``plan.scheduled``; one with
        drafts once more for each, which ``ahead`` counts.
        """
        size = self.size
        lens = np.zeros(size, dtype=np.int32)
        rows = np.fromiter((self.row_of[s.id] for s in plan.scheduled), dtype=np.int64, count=len(plan.scheduled))
        lens[rows] = [s.count for s in plan.scheduled]
        sampled = rows[[s.sample for s in plan.scheduled]]
        start = self._query_start.host
        np.cumsum(lens, out=start[1 : size + 1])
        total = int(start[size])
        computed = self.computed[:size]
        which = np.repeat(np.arange(size), lens)
        positions = self._positions.host[:total]
        np.subtract(np.arange(total), start[:size][which], out=positions)
        positions += computed[which]
        np.add(which * self.max_len, positions, out=self._token_index.host[:total])
        np.add(computed, lens, out=self._seq_lens.host[:size], casting="unsafe")
        sampled = self._place_logits(plan, sampled, start)
        views = [self._view(g, which, positions, total) for g in range(len(self.groups))]
        torch.index_select(self._flat_tokens, 0, self._token_index.push(total), out=self._input_ids[:total])
        long = None
        if self._long_tokens is not None:
            self._long_tokens.host[:total] = self._long[which]
            long = self._long_tokens.push(total)
        shape = StepShape(
            tokens=total,
            seqs=size,
            rows=len(sampled),
            max_query=int(lens.max(initial=0)),
            decode_only=bool((lens == 1).all()),
            query_lens=lens,
            seq_lens=self._seq_lens.host[:size],
        )
        batch = Batch(
            shape=shape,
            input_ids=self._input_ids[:total],
            positions=self._positions.push(total),
            query_start=self._query_start.push(size + 1),
            logits_index=self._logits_index.push(len(sampled)),
            groups=views,
            long=long,
        )
        computed += lens
        return batch, sampled

    def _place_logits(self, plan: StepPlan, sampled: NDArray[np.int64], start: NDArray[np.int32]) -> NDArray[np.int64]:
        """Say which tokens' logits are wanted, and put drafts behind the tokens that are known."""
        counts = np.array([len(s.drafts) for s in plan.scheduled if s.sample], dtype=np.int64)
        if not counts.any():
            self.ahead = None
            self._logits_index.host[: len(sampled)] = start[sampled + 1] - 1
            return sampled
        rows = np.repeat(sampled, counts + 1)
        self.ahead = np.arange(len(rows)) - np.repeat(np.cumsum(counts + 1) - counts - 1, counts + 1)
        self._logits_index.host[: len(rows)] = start[rows + 1] - 1 - np.repeat(counts, counts + 1) + self.ahead
        drafts = self.ahead > 0
        index = (rows * self.max_len + self.known[rows] + self.ahead - 1)[drafts]
        values = np.array([t for s in plan.scheduled if s.sample for t in s.drafts], dtype=np.int64)
        self._flat_tokens.index_copy_(
            0, torch.from_numpy(index).to(self.device), torch.from_numpy(values).to(self.device)
        )
        return rows

    def _view(self, g: int, which: NDArray[np.int64], positions: NDArray[np.int64], total: int) -> GroupView:
        group, table, size = self.groups[g], self._tables[g], self.size
        if group.kind in TOKEN_KINDS:
            pages = table.host[which, positions // group.block_size]
            np.add(pages * np.int64(group.block_size), positions % group.block_size, out=self._slots[g].host[:total])
        device_table = table.push(size)
        return GroupView(
            kind=group.kind,
            block_size=group.block_size,
            window=group.window,
            pages=int(self._pages[g, :size].max(initial=0)),
            seq_lens=self._seq_lens.push(size),
            block_table=device_table,
            slot_mapping=self._slots[g].push(total),
            state_slot=device_table[:, 0] if group.kind == "state" else None,
        )

    def write_sampled(self, rows: NDArray[np.int64], tokens: Tensor) -> None:
        """Write each row's new token after its known ones, on the device."""
        index = torch.from_numpy(rows * self.max_len + self.known[rows]).to(self.device)
        self._flat_tokens.index_copy_(0, index, tokens)
        self.known[rows] += 1

    def write_accepted(self, plan: StepPlan, tokens: Sequence[Sequence[int]]) -> NDArray[np.int64]:
        """Do what ``write_sampled`` does for rows with drafts: right drafts are there already, the token after them
        is written, and what was computed for wrong ones does not count. Returns the sampled rows, each once.
        """
        sampled = [s for s in plan.scheduled if s.sample]
        rows = np.array([self.row_of[s.id] for s in sampled], dtype=np.int64)
        right = np.array([len(t) - 1 for t in tokens], dtype=np.int64)
        last = torch.tensor([t[-1] for t in tokens], dtype=torch.int64, device=self.device)
        index = torch.from_numpy(rows * self.max_len + self.known[rows] + right).to(self.device)
        self._flat_tokens.index_copy_(0, index, last)
        self.known[rows] += right + 1
        self.computed[rows] -= np.array([len(s.drafts) for s in sampled], dtype=np.int64) - right
        return rows
