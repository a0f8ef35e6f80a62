"""Groups of layers that share page tables, and how large a page is for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

GroupKind = Literal["full", "window", "latent", "cross", "state"]
TOKEN_KINDS: tuple[GroupKind, ...] = ("full", "window", "latent")  # whose pages hold the sequence's own tokens


class LayerNeed(msgspec.Struct, frozen=True):
    """Cache of one layer: ``token_bytes`` per token (0 for ``state``), ``state_bytes`` per sequence."""

    kind: GroupKind
    token_bytes: int
    window: int | None = None
    state_bytes: int = 0


class Group(msgspec.Struct, frozen=True):
    """Layers with the same need. ``layers[j]`` uses the pool's tensor j. ``block_size`` is tokens per page; a ``state``
    page holds one sequence's state."""

    kind: GroupKind
    block_size: int
    window: int | None
    layers: tuple[int, ...]

    def pages_for(self, tokens: int) -> int:
        """Pages that hold the first ``tokens`` tokens."""
        if self.kind == "state":
            return 1
        return -(-tokens // self.block_size)

    def first_visible(self, computed: int) -> int:
        """Return the first page that the token at position ``computed`` can still see."""
        if self.window is None:
            return 0
        return max(0, computed - self.window + 1) // self.block_size

    def held(self, computed: int, tokens: int, chunk: int, cross_tokens: int = 0) -> int:
        """Return the largest number of pages held at once on the way from ``computed`` to ``tokens`` tokens, ``chunk``
        at most in a step.
        """
        if self.kind == "cross":
            return self.pages_for(cross_tokens)
        if self.window is None:
            return self.pages_for(tokens)
        # The window need not begin at a page's start, nor the chunk end at one: hence the page more.
        widest = self.pages_for(self.window + min(chunk, tokens - computed)) + 1
        return min(self.pages_for(tokens) - self.first_visible(computed), widest)


class PoolLayout(msgspec.Struct, frozen=True):
    """The pool of one engine: bytes per page and layer, tensors (the most layers of a group), the groups."""

    page_bytes: int
    tensors: int
    groups: tuple[Group, ...]

    @property
    def bytes_per_page(self) -> int:
        """Over all tensors."""
        return self.page_bytes * self.tensors

    @property
    def alignment(self) -> int:
        """Prefix hits are multiples of this many tokens: whole pages in every group."""
        sizes = [g.block_size for g in self.groups if g.kind in TOKEN_KINDS]
        return math.lcm(*sizes) if sizes else 1

    def max_pages(self, max_model_len: int, chunk: int, cross_tokens: int = 0) -> int:
        """Return the largest number of pages one sequence of ``max_model_len`` tokens holds at once when computed
        ``chunk`` tokens a step.
        """
        return sum(g.held(0, max_model_len, chunk, cross_tokens) for g in self.groups)


def plan_layout(needs: Sequence[LayerNeed], block_size: int) -> PoolLayout:
    """Put layers into groups of about equal size over pages of equal bytes.

    ``block_size`` is the tokens per page of the layers that need most per token; others fit a multiple of it. Where a
    state is larger than that page, the page is a multiple that holds it. A kind with more layers than the smallest one
    is split, so that no tensor is used by only a few groups.
    """
    kinds: dict[LayerNeed, list[int]] = {}
    for index, need in enumerate(needs):
        kinds.setdefault(need, []).append(index)
    if not kinds:
        return PoolLayout(page_bytes=0, tensors=0, groups=())
    sizes = [len(layers) for layers in kinds.values()]
    # A little padding is better than many groups: split only when the largest kind is far larger than the smallest.
    width = max(sizes) if max(sizes) < 1.5 * min(sizes) else min(sizes)
    unit = max(n.token_bytes for n in kinds) * block_size or 1
    page_bytes = -(-max(unit, *(n.state_bytes for n in kinds)) // unit) * unit
    page_bytes = -(-page_bytes // 64) * 64
    groups = []
    for need, layers in kinds.items():
        size = 0 if need.kind == "state" else page_bytes // (need.token_bytes * block_size) * block_size
        for at in range(0, len(layers), width):
            groups.append(Group(need.kind, size, need.window, tuple(layers[at : at + width])))
    return PoolLayout(page_bytes=page_bytes, tensors=min(width, max(sizes)), groups=tuple(groups))
