"""The batch of models that see a text at once: whatever a step brings, built anew and gone with it."""

from __future__ import annotations

import numpy as np
import torch
from frameworkctl_kernels.protocol import StepShape
from numpy.typing import NDArray

from frameworkctl.interfaces.engine import Batch
from frameworkctl.scheduling.plan import StepPlan


def whole_batch(plan: StepPlan, device: torch.device) -> tuple[Batch, NDArray[np.int64]]:
    """Return the texts of a step back to back, in the order of ``plan.new``, and where each begins ``[S + 1]``."""
    new = plan.new
    ids = np.frombuffer(b"".join([n.tokens for n in new]), dtype=np.int32).astype(np.int64)
    lens = np.fromiter((n.prompt_len for n in new), dtype=np.int32, count=len(new))
    start = np.zeros(len(new) + 1, dtype=np.int64)
    np.cumsum(lens, out=start[1:])
    positions = np.arange(len(ids)) - np.repeat(start[:-1], lens)
    seconds = np.fromiter((0 if n.pool is None else n.pool.second for n in new), dtype=np.int64, count=len(new))
    # 0 is no place where a second text could begin
    second = positions >= np.repeat(np.where(seconds > 0, seconds, lens), lens) if seconds.any() else None
    shape = StepShape(
        tokens=len(ids),
        seqs=len(new),
        rows=len(new),
        max_query=int(lens.max(initial=0)),
        decode_only=bool((lens == 1).all()),
        query_lens=lens,
        seq_lens=lens,
    )
    batch = Batch(
        shape=shape,
        input_ids=torch.from_numpy(ids).to(device),
        positions=torch.from_numpy(positions).to(device),
        query_start=torch.from_numpy(start.astype(np.int32)).to(device),
        logits_index=torch.from_numpy(start[1:] - 1).to(device),
        groups=[],
        second=None if second is None else torch.from_numpy(second.astype(np.int64)).to(device),
    )
    return batch, start
