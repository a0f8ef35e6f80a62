"""The poolers that come with core: first, last and mean state of a text, and states of all or some of its tokens."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from frameworkctl.interfaces.engine import Pooler, PoolingInfo, PoolRows


def rows_at(hidden: Tensor, index: NDArray[np.int64]) -> Tensor:
    """Return ``hidden[index]``."""
    return hidden.index_select(0, torch.from_numpy(np.ascontiguousarray(index)).to(hidden.device))


class Last(Pooler):
    """The state of a text's last token."""

    def update(self, rows: PoolRows) -> Tensor:
        return rows_at(rows.hidden, rows.start[1:][rows.last] - 1)


class First(Pooler):
    """The state of a text's first token, kept until the text ends."""

    def __init__(self, info: PoolingInfo) -> None:
        super().__init__(info)
        self._kept: dict[int, Tensor] = {}

    def update(self, rows: PoolRows) -> Tensor | list[Tensor]:
        begins = rows.first == 0
        states = rows_at(rows.hidden, rows.start[:-1][begins])
        if begins.all() and rows.last.all():
            return states
        self._kept.update(zip((i for i, b in zip(rows.ids, begins, strict=True) if b), states.unbind(), strict=True))
        return [self._kept.pop(i) for i, last in zip(rows.ids, rows.last, strict=True) if last]

    def forget(self, id: int) -> None:
        self._kept.pop(id, None)


class Mean(Pooler):
    """The mean of the states of a text's tokens, summed in float32."""

    def __init__(self, info: PoolingInfo) -> None:
        super().__init__(info)
        self._sums: dict[int, Tensor] = {}  # of the chunks so far, of texts that have not ended

    def update(self, rows: PoolRows) -> Tensor | list[Tensor]:
        lengths = np.diff(rows.start)
        counts = torch.from_numpy(lengths).to(rows.hidden.device)
        sums = torch.segment_reduce(rows.hidden.float(), "sum", lengths=counts, axis=0)
        total = torch.from_numpy(rows.first + lengths).to(rows.hidden.device)
        if not rows.first.any() and rows.last.all():
            return sums / total[:, None]
        out = []
        for at, (id_, first, last) in enumerate(zip(rows.ids, rows.first, rows.last, strict=True)):
            own = sums[at] if first == 0 else self._sums.pop(id_) + sums[at]
            if last:
                out.append(own / total[at])
            else:
                self._sums[id_] = own
        return out

    def forget(self, id: int) -> None:
        self._sums.pop(id, None)


class All(Pooler):
    """The states of all tokens of a text."""

    def __init__(self, info: PoolingInfo) -> None:
        super().__init__(info)
        self._chunks: dict[int, list[Tensor]] = {}

    def update(self, rows: PoolRows) -> list[Tensor]:
        out = []
        for at, (id_, first, last) in enumerate(zip(rows.ids, rows.first, rows.last, strict=True)):
            begin, end = int(rows.start[at]), int(rows.start[at + 1])
            own = self.chosen(rows.hidden[begin:end], rows.token_ids[begin:end])
            if first == 0 and last:
                out.append(own)
                continue
            # A view would keep the whole step's states; and a text that begins again begins anew.
            chunks = [*(self._chunks.pop(id_, []) if first else []), own.clone()]
            if last:
                out.append(torch.cat(chunks))
            else:
                self._chunks[id_] = chunks
        return out

    def chosen(self, hidden: Tensor, token_ids: Tensor) -> Tensor:
        """Return the rows that count."""
        return hidden

    def forget(self, id: int) -> None:
        self._chunks.pop(id, None)


class Step(All):
    """The states of the tokens that end a step of reasoning (``step_tag_id``; all, where none is set)."""

    def chosen(self, hidden: Tensor, token_ids: Tensor) -> Tensor:
        tag = self.info.step_tag_id
        return hidden if tag is None else hidden[token_ids == tag]
