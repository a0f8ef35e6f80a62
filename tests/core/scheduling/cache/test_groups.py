"""How layers are put into groups, and that the page counts promised are never exceeded."""

from __future__ import annotations

import math

import pytest
from frameworkctl.scheduling.cache.groups import Group, GroupKind, LayerNeed, PoolLayout, plan_layout
from hypothesis import given, settings
from hypothesis import strategies as st

KINDS: list[GroupKind] = ["full", "window", "latent", "cross", "state"]
BYTES = st.sampled_from([1, 24, 64, 100, 256, 1024, 3000, 4096])


@st.composite
def layer_needs(draw: st.DrawFn) -> list[LayerNeed]:
    """Layers of a few kinds, interleaved in any way."""
    kinds: list[LayerNeed] = []
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4)):
        if kind == "state":
            kinds.append(LayerNeed("state", 0, None, draw(st.sampled_from([1, 512, 5000, 100_000]))))
        elif kind == "window":
            kinds.append(LayerNeed("window", draw(BYTES), draw(st.integers(1, 5000))))
        else:
            kinds.append(LayerNeed(kind, draw(BYTES)))
    return draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=40))


@given(needs=layer_needs(), block_size=st.sampled_from([1, 4, 16, 32]))
@settings(deadline=None, max_examples=200)
def test_a_layout_is_sound(needs: list[LayerNeed], block_size: int) -> None:
    layout = plan_layout(needs, block_size)
    placed = sorted(layer for group in layout.groups for layer in group.layers)
    assert placed == list(range(len(needs))), "every layer is in exactly one group"
    assert layout.page_bytes % 64 == 0
    assert layout.tensors == max(len(g.layers) for g in layout.groups), "layer j uses tensor j, and no tensor is idle"
    assert layout.bytes_per_page == layout.page_bytes * layout.tensors
    for group in layout.groups:
        need = {needs[layer] for layer in group.layers}
        assert len(need) == 1, "layers of a group have the same need"
        (one,) = need
        assert (group.kind, group.window) == (one.kind, one.window)
        assert list(group.layers) == sorted(group.layers)
        if group.kind == "state":
            assert one.state_bytes <= layout.page_bytes
            continue
        assert group.block_size > 0
        assert group.block_size % block_size == 0
        assert group.block_size * one.token_bytes <= layout.page_bytes, "a page's tokens fit"
        assert (group.block_size + block_size) * one.token_bytes > layout.page_bytes, "no more of them would"
    for group in layout.groups:
        if group.kind in ("full", "window", "latent"):
            assert layout.alignment % group.block_size == 0
    tokens = [g.block_size for g in layout.groups if g.kind in ("full", "window", "latent")]
    assert layout.alignment == math.lcm(*tokens)


@given(needs=layer_needs(), block_size=st.sampled_from([1, 16]))
@settings(deadline=None, max_examples=200)
def test_only_a_far_larger_kind_is_split(needs: list[LayerNeed], block_size: int) -> None:
    sizes = {need: needs.count(need) for need in needs}
    groups: dict[LayerNeed, list[int]] = {}
    for group in plan_layout(needs, block_size).groups:
        groups.setdefault(needs[group.layers[0]], []).append(len(group.layers))
    if max(sizes.values()) < 1.5 * min(sizes.values()):
        assert all(len(parts) == 1 for parts in groups.values())
        return
    width = min(sizes.values())
    for need, parts in groups.items():
        assert sum(parts) == sizes[need]
        assert len(parts) == -(-sizes[need] // width), "no more groups than it takes"
        assert max(parts) <= width


def test_the_page_is_as_large_as_the_hungriest_layer_needs() -> None:
    full, small, state = LayerNeed("full", 100), LayerNeed("window", 30, 8), LayerNeed("state", 0, None, 100)
    layout = plan_layout([full, small, state], 16)
    assert layout.page_bytes == 1600
    assert [g.block_size for g in layout.groups] == [16, 48, 0]
    large = plan_layout([full, LayerNeed("state", 0, None, 5000)], 16)
    assert large.page_bytes == 6400, "whole pages of tokens, nothing of them unused"
    assert [g.block_size for g in large.groups] == [64, 0]
    assert plan_layout([LayerNeed("state", 0, None, 5000)], 16).page_bytes == 5056


def test_a_model_like_gemma() -> None:
    """One full layer after every five windows: six groups, all of the same width."""
    needs = [LayerNeed("full", 64) if i % 6 == 5 else LayerNeed("window", 64, 512) for i in range(24)]
    layout = plan_layout(needs, 16)
    assert [len(g.layers) for g in layout.groups] == [4] * 6
    assert layout.tensors == 4
    assert [g.kind for g in layout.groups].count("full") == 1


def test_no_layers_no_pages() -> None:
    layout = plan_layout([], 16)
    assert (layout.groups, layout.bytes_per_page, layout.alignment, layout.max_pages(100, 10)) == ((), 0, 1, 0)


# -- pages held


def simulate(group: Group, start: int, tokens: int, chunks: list[int]) -> int:
    """Compute chunk by chunk, page by page and token by token; the most pages that were needed at once."""
    held: set[int] = set()
    computed, most = start, 0
    if start:
        held = {at // group.block_size for at in range(start) if _sees(group, start, at)}
        most = len(held)
    for chunk in chunks:
        count = min(chunk, tokens - computed)
        held |= {at // group.block_size for at in range(computed, computed + count)}
        most = max(most, len(held))
        computed += count
        held = {p for p in held if any(_sees(group, computed, at) for at in _positions(group, p, computed))}
    return most


def _positions(group: Group, page: int, computed: int) -> range:
    """Of a page: the ones written, or about to be."""
    return range(page * group.block_size, min((page + 1) * group.block_size, computed + 1))


def _sees(group: Group, position: int, at: int) -> bool:
    return at <= position and (group.window is None or position - at < group.window)


@given(
    block=st.integers(1, 9),
    window=st.one_of(st.none(), st.integers(1, 30)),
    tokens=st.integers(1, 70),
    start=st.integers(0, 69),
    chunk=st.integers(1, 40),
    draws=st.lists(st.integers(1, 40), max_size=20),
)
@settings(deadline=None, max_examples=300)
def test_no_sequence_holds_more_than_promised(
    block: int, window: int | None, tokens: int, start: int, chunk: int, draws: list[int]
) -> None:
    kind: GroupKind = "full" if window is None else "window"
    group = Group(kind, block, window, (0,))
    start = min(start, tokens - 1) // block * block
    chunks = [min(d, chunk) for d in draws] + [chunk] * tokens
    assert simulate(group, start, tokens, chunks) <= group.held(start, tokens, chunk)


@given(block=st.integers(1, 9), window=st.integers(1, 30), tokens=st.integers(40, 90), chunk=st.integers(1, 30))
@settings(deadline=None, max_examples=40)
def test_the_promise_is_not_far_off(block: int, window: int, tokens: int, chunk: int) -> None:
    group = Group("window", block, window, (0,))
    worst = max(simulate(group, 0, tokens, [first] + [chunk] * tokens) for first in range(1, chunk + 1))
    assert group.held(0, tokens, chunk) <= worst + 2


@given(block=st.integers(1, 9), window=st.integers(1, 30), computed=st.integers(0, 80))
@settings(deadline=None, max_examples=200)
def test_the_first_visible_page(block: int, window: int, computed: int) -> None:
    group = Group("window", block, window, (0,))
    assert group.first_visible(computed) == min(at for at in range(computed + 1) if _sees(group, computed, at)) // block
    assert Group("full", block, None, (0,)).first_visible(computed) == 0


@given(block=st.integers(1, 9), tokens=st.integers(0, 80))
@settings(deadline=None, max_examples=100)
def test_pages_for_tokens(block: int, tokens: int) -> None:
    assert Group("full", block, None, (0,)).pages_for(tokens) == len({at // block for at in range(tokens)})
    assert Group("state", 0, None, (0,)).pages_for(tokens) == 1


def test_pages_of_a_sequence_are_those_of_all_groups() -> None:
    groups = (
        Group("full", 4, None, (0,)),
        Group("window", 2, 5, (1,)),
        Group("cross", 3, None, (2,)),
        Group("state", 0, None, (3,)),
    )
    layout = PoolLayout(64, 1, groups)
    assert layout.max_pages(40, 8, 7) == 10 + groups[1].held(0, 40, 8) + 3 + 1
    assert layout.alignment == 4


@pytest.mark.parametrize("chunk", [1, 3, 16])
def test_a_cross_group_needs_the_media_only(chunk: int) -> None:
    group = Group("cross", 4, None, (0,))
    assert group.held(0, 100, chunk, 9) == 3
    assert group.held(50, 100, chunk, 0) == 0
