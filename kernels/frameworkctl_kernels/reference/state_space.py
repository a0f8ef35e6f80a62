"""Causal convolution and selective scan over flat batches, with a state per sequence that lives in the cache's pages.

Sequences are taken longest first and their tokens in order of time, so that the tokens of one moment stand together and
those that still run are always the first rows: one operation advances all sequences by a token, without padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from frameworkctl_kernels.protocol import GroupView, StepShape

BLOCK_VALUES = 1 << 20  # states kept at once by a scan: 4 MB, beside as many decay factors


@dataclass(slots=True)
class Block:
    """Consecutive moments of a step: tokens ``[start, stop)`` in order of time.

    ``moments`` are (first row, rows) of each, counted from ``start``; ``last [rows of the first moment]`` is the row of
    each sequence's last token in the block, None where there is one moment.
    """

    start: int
    stop: int
    moments: list[tuple[int, int]]
    last: Tensor | None


class StatePlan:
    """State that one step's state-space calls share: order of sequences and tokens, and where states are."""

    def __init__(self, shape: StepShape, groups: Sequence[GroupView], device: torch.device) -> None:
        self.device = device
        self.tokens = shape.tokens
        lens = shape.query_lens.astype(np.int64)
        starts = np.zeros_like(lens)
        np.cumsum(lens[:-1], out=starts[1:])
        members = np.flatnonzero(lens > 0)
        members = members[np.argsort(-lens[members], kind="stable")]
        self.single = shape.decode_only and shape.tokens == shape.seqs  # token i is all of sequence i
        self._lens, self._starts = lens[members], starts[members]
        rows = self._tensor(members)
        self.slots = {
            index: view.state_slot.long()[rows] for index, view in enumerate(groups) if view.state_slot is not None
        }
        # counts[t] sequences have a token t; offsets[t] is the first of them in order of time
        longest = int(self._lens[0]) if len(members) else 0
        self._counts = np.searchsorted(-self._lens, -np.arange(longest), side="left").astype(np.int64)
        self._offsets = np.zeros(longest + 1, dtype=np.int64)
        np.cumsum(self._counts, out=self._offsets[1:])
        moment = np.repeat(np.arange(longest), self._counts)
        self._rank = np.arange(self.tokens) - self._offsets[moment]  # which sequence, of each token in order of time
        order = self._starts[self._rank] + moment
        self.order = None if (order[1:] > order[:-1]).all() else self._tensor(order)  # None: as they are
        self._blocks: dict[int, list[Block]] = {}
        self._taps: dict[int, tuple[Tensor, Tensor]] = {}

    def _tensor(self, array: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def taps(self, width: int) -> tuple[Tensor, Tensor]:
        """Return where a convolution finds its inputs in ``[states of all sequences, tokens]``, one row per input.

        ``[T, width]`` for each token, oldest first; ``[sequences, width - 1]`` for what each sequence remembers next.
        """
        found = self._taps.get(width)
        if found is None:
            kept = width - 1
            states = len(self._lens) * kept
            ranks = np.arange(len(self._lens))
            which = np.empty(self.tokens, dtype=np.int64)  # the sequence of each token in the batch's order
            by_start = np.argsort(self._starts)
            which[:] = np.repeat(by_start, self._lens[by_start])

            def rows(rank: NDArray[np.int64], at: NDArray[np.int64]) -> Tensor:
                """Input ``at`` (negative: before this step) of each sequence."""
                rank = rank[:, None]
                return self._tensor(np.where(at < 0, rank * kept + kept + at, states + self._starts[rank] + at))

            within = np.arange(self.tokens) - self._starts[which]
            found = self._taps[width] = (
                rows(which, within[:, None] + np.arange(-kept, 1)),
                rows(ranks, self._lens[:, None] + np.arange(-kept, 0)),
            )
        return found

    def blocks(self, values: int) -> list[Block]:
        """Return the moments in blocks of at most BLOCK_VALUES states, ``values`` a token; a block has one moment at
        least.
        """
        found = self._blocks.get(values)
        if found is None:
            most = max(1, BLOCK_VALUES // values)
            found, moment = self._blocks.setdefault(values, []), 0
            while moment < len(self._counts):
                end = int(np.searchsorted(self._offsets, self._offsets[moment] + most, side="right")) - 1
                end = max(end, moment + 1)
                found.append(self._block(moment, end))
                moment = end
        return found

    def _block(self, first: int, end: int) -> Block:
        start = int(self._offsets[first])
        offsets, counts = (self._offsets[first:end] - start).tolist(), self._counts[first:end].tolist()
        last = None
        if end - first > 1:
            alive = np.arange(counts[0])
            last = self._tensor(self._offsets[np.minimum(self._lens[alive], end) - 1] - start + alive)
        return Block(start, int(self._offsets[end]), list(zip(offsets, counts, strict=True)), last)


def causal_conv(
    plan: StatePlan, x: Tensor, state: Tensor, group: int, weight: Tensor, bias: Tensor | None, activation: str | None
) -> Tensor:
    """See the protocol; ``plan`` is that of the step."""
    slots = plan.slots[group]
    width = weight.shape[1]
    weight = weight.float().T
    wide = x.float()
    before = state.index_select(0, slots)
    if plan.single:
        window = torch.cat([before, wide[:, None]], dim=1)
        out = (window * weight).sum(1)
        after = window[:, 1:]
    else:
        inputs = torch.cat([before.flatten(0, 1), wide])
        of_token, of_state = plan.taps(width)
        out = wide * weight[-1]
        for tap in range(width - 1):
            out.addcmul_(inputs.index_select(0, of_token[:, tap]), weight[tap])
        after = inputs[of_state]
    state.index_copy_(0, slots, after)
    if bias is not None:
        out += bias.float()
    return (F.silu(out) if activation == "silu" else out).to(x.dtype)


def selective_scan(
    plan: StatePlan,
    x: Tensor,
    dt: Tensor,
    b: Tensor,
    c: Tensor,
    z: Tensor | None,
    state: Tensor,
    group: int,
    *,
    a: Tensor,
    d: Tensor,
    dt_bias: Tensor,
) -> Tensor:
    """See the protocol; ``plan`` is that of the step."""
    slots = plan.slots[group]
    given = x.float()
    step = F.softplus(dt.float() + dt_bias)
    u, step, b, c = (t if plan.order is None else t.index_select(0, plan.order) for t in (given, step, b, c))
    b, c = b.float()[:, None, :], c.float()[:, :, None]
    pushed = step * u
    y = torch.empty_like(u)
    carried = state.index_select(0, slots)
    for block in plan.blocks(a.numel()):
        rows = slice(block.start, block.stop)
        decay = (step[rows, :, None] * a).exp_()
        h = pushed[rows, :, None] * b[rows]
        before = carried
        for first, count in block.moments:
            now = h[first : first + count]
            now.addcmul_(before[:count], decay[first : first + count])
            before = now
        torch.matmul(h, c[rows], out=y[rows, :, None])
        ends = h if block.last is None else h.index_select(0, block.last)
        carried = ends if len(ends) == len(carried) else torch.cat([ends, carried[len(ends) :]])
    state.index_copy_(0, slots, carried)
    if plan.order is not None:
        y = torch.empty_like(y).index_copy_(0, plan.order, y)
    y.addcmul_(given, d)
    return (y if z is None else y.mul_(F.silu(z.float()))).to(x.dtype)
