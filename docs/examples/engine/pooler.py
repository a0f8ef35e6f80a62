"""A pooler, the largest value of each feature: ``--plugins ./pooler.py --pooler-config '{"pooling_type": "max"}'``.

The server imports this file too, so it must not import torch; tensors come with their methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from frameworkctl.interfaces import PoolerSpec, PoolingInfo, Register, hookimpl

if TYPE_CHECKING:
    from frameworkctl.interfaces.engine import Pooler, PoolRows
    from torch import Tensor


class MaxPooler:
    """Long texts come over several steps: what they have come to is kept until they end."""

    def __init__(self, info: PoolingInfo) -> None:
        self.kept: dict[int, Tensor] = {}

    def update(self, rows: PoolRows) -> list[Tensor]:
        out = []
        for at, id_ in enumerate(rows.ids):
            own = rows.hidden[rows.start[at] : rows.start[at + 1]].amax(dim=0)
            if rows.first[at] > 0:
                own = own.maximum(self.kept.pop(id_))
            if rows.last[at]:
                out.append(own)
            else:
                self.kept[id_] = own
        return out

    def forget(self, id: int) -> None:
        self.kept.pop(id, None)


@hookimpl
def register_poolers(register: Register[PoolerSpec]) -> None:
    tasks = frozenset({"embed", "classify"})
    register(PoolerSpec(name="max", implementation=f"{__name__}:MaxPooler", tasks=tasks))


@hookimpl
def create_pooler(name: str, info: PoolingInfo) -> Pooler | None:
    """Only needed for a pooler that is not made of these two alone; None leaves it to core."""
    return None
