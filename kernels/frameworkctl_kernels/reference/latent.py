"""A paged cache of one vector per token that is key and value at once."""

from __future__ import annotations

import torch
from torch import Tensor

from frameworkctl_kernels.protocol import GroupView


class LatentCache:
    """``pages [P, bytes]`` uint8 as ``[P, block_size, dim]``; a page may have bytes to spare at its end.

    Raises:
        ValueError: a page holds fewer than ``block_size`` vectors.
    """

    def __init__(self, pages: Tensor, block_size: int, dim: int, dtype: torch.dtype) -> None:
        typed = pages.view(dtype)
        if typed.shape[1] < block_size * dim:
            raise ValueError(f"a page of {typed.shape[1]} values does not hold {block_size} vectors of {dim}")
        self.block_size, self.dim = block_size, dim
        self.rows = typed[:, : block_size * dim]
        self.slots = self.rows.view(-1, block_size, dim)

    def write(self, latent: Tensor, view: GroupView) -> None:
        """Write ``latent [T, dim]`` to ``view.slot_mapping``."""
        page = torch.div(view.slot_mapping, self.block_size, rounding_mode="floor")
        self.slots.index_put_((page, view.slot_mapping - page * self.block_size), latent)

    def read(self, pages: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, the same tensor ``[n, 1, B * block_size, dim]``, of ``pages [n, B]``."""
        vectors = self.rows.index_select(0, pages.flatten()).view(pages.shape[0], 1, -1, self.dim)
        return vectors, vectors
