"""Memory for what every step reads through: large pages, small weights side by side in the same ones."""

from __future__ import annotations

import torch
from torch import Tensor

from frameworkctl_kernels.cpu.compile.library import kernels

PAGE = 1 << 21
SLAB = 32 << 20  # bytes taken at once; what is not used of the last one is never touched
ALIGN = 256


class Arena:
    """Hands out pieces of slabs; a slab lives as long as a piece of it does."""

    def __init__(self) -> None:
        self._slab: Tensor | None = None
        self._used = 0

    def take(self, size: int) -> Tensor:
        """Return ``[size]`` uint8, uninitialised."""
        if size > SLAB // 4:
            return _pages(size)
        if self._slab is None or self._used + size > SLAB:
            self._slab, self._used = _pages(SLAB), 0
        piece = self._slab[self._used : self._used + size]
        self._used += -(-size // ALIGN) * ALIGN
        return piece


def _pages(size: int) -> Tensor:
    """Memory that begins at a page's border; the rest of its last page stays with it."""
    whole = torch.empty(-(-size // PAGE) * PAGE + PAGE, dtype=torch.uint8)
    offset = -whole.data_ptr() % PAGE
    kernels().fc_large_pages(whole.data_ptr() + offset, whole.numel() - offset)
    return whole[offset : offset + size]
