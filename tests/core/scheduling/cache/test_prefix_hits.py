"""Prefix hits against brute force: every length is tried, over a list of what pages hold and who may see them."""

from __future__ import annotations

import math
import random
from array import array

import pytest
from frameworkctl.scheduling.cache.groups import PoolLayout
from frameworkctl.scheduling.cache.manager import CacheManager, Hit
from frameworkctl.scheduling.cache.page_pool import NULL_PAGE
from frameworkctl.scheduling.sequence import Sequence
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine.scheduling import LAYOUTS, Context, digests, layout, make_sequence
from support.engine.scheduling_runner import Cell, WatchedPool

CONTEXTS = [Context(), Context("salt"), Context("", "a", 5), Context("salt", "a", 5), Context("", "b", 5)]
Name = tuple[int, int, int]  # group, page, digest up to its end; for cross: group, page, digest of the media


class Shadow:
    """Sequences that live over a cache without a scheduler, and a list of what could be found at any time."""

    def __init__(self, layout: PoolLayout, pages: int, rng: random.Random) -> None:
        self.rng, self.layout = rng, layout
        self.chunk = rng.choice([3, 8, 20])
        self.cache = CacheManager(layout, pages, max_chunk=self.chunk)
        self.store: list[dict[int, Cell]] = [{} for _ in range(pages)]
        shadow = self

        class Pool(WatchedPool):
            def allocate(self, n: int) -> list[int]:
                taken = super().allocate(n)
                shadow.found = {k: p for k, p in shadow.found.items() if p not in taken}
                for page in taken:
                    shadow.store[page].clear()
                return taken

        self.pool = self.cache.pool = Pool(pages, layout, self.store)
        self.found: dict[Name, int] = {}
        self.alive: list[tuple[Sequence, Context]] = []
        self.hits = 0

    # -- the oracle

    def name(self, index: int, page: int, context: Context, seen: list[int]) -> Name:
        group = self.layout.groups[index]
        if group.kind == "cross":
            return (index, page, context.identity_of_media)
        return (index, page, seen[(page + 1) * group.block_size - 1])

    def pages_seen(self, index: int, context: Context, length: int) -> list[int]:
        """Pages that the token at position ``length`` looks at, of those before it."""
        group = self.layout.groups[index]
        if group.kind == "cross":
            return list(range(-(-context.cross_tokens // group.block_size)))
        first = 0 if group.window is None else max(0, length - group.window + 1)
        return sorted({at // group.block_size for at in range(first, length)})

    def longest(self, seq: Sequence, context: Context) -> int:
        if any(g.kind == "state" for g in self.layout.groups) or seq.input_open:
            return 0
        seen = digests(context, seq.tokens)
        align = math.lcm(*(g.block_size for g in self.layout.groups if g.kind != "cross"))
        for length in range(len(seq.tokens) - 1, 0, -1):
            if length % align == 0 and all(
                self.name(i, page, context, seen) in self.found
                for i in range(len(self.layout.groups))
                for page in self.pages_seen(i, context, length)
            ):
                return length
        return 0

    def check_hit(self, seq: Sequence, context: Context, hit: Hit) -> None:
        assert hit.length == self.longest(seq, context)
        seen = digests(context, seq.tokens)
        for i, group in enumerate(self.layout.groups):
            table, visible = hit.tables[i], self.pages_seen(i, context, hit.length)
            if not hit.length:
                assert table == []
                continue
            if group.kind != "cross":
                assert len(table) * group.block_size == hit.length
            for at, page in enumerate(table):
                assert (page != NULL_PAGE) == (at in visible), "exactly what can be seen is held"
                if page != NULL_PAGE:
                    self.check_page(i, at, page, context, seen)

    def check_page(self, index: int, at: int, page: int, context: Context, seen: list[int]) -> None:
        group = self.layout.groups[index]
        for offset in range(group.block_size):
            position = at * group.block_size + offset
            if group.kind != "cross":
                assert self.store[page][offset] == (index, position, seen[position])
            elif position < context.cross_tokens:
                assert self.store[page][offset] == (index, position, context.cross_value(position))

    # -- what happens

    def enter(self, tokens: list[int], context: Context) -> None:
        seq = make_sequence(tokens, groups=len(self.layout.groups), context=context)
        hit = self.cache.lookup(seq)
        self.check_hit(seq, context, hit)
        self.hits += hit.length
        count = min(self.chunk, len(tokens) - hit.length)
        if self.cache.admit(seq, hit, count, len(tokens), 0):
            self.alive.append((seq, context))
            self.compute(seq, context, count, encode=not hit.length)

    def compute(self, seq: Sequence, context: Context, count: int, *, encode: bool = False) -> None:
        seen = digests(context, seq.tokens)
        before, seq.computed = seq.computed, seq.computed + count
        for i, group in enumerate(self.layout.groups):
            if group.kind == "cross":
                values = [context.cross_value(n) for n in range(context.cross_tokens)]
                positions = range(len(values) if encode else 0)
            else:
                values, positions = seen, range(before, seq.computed)
            for at in positions if group.kind != "state" else ():
                page = seq.tables[i][at // group.block_size]
                assert page != NULL_PAGE
                self.store[page][at % group.block_size] = (i, at, values[at])
        self.publish(seq, context, seen, before, encode)
        self.cache.commit(seq, seq.computed)

    def publish(self, seq: Sequence, context: Context, seen: list[int], before: int, encode: bool) -> None:
        if any(g.kind == "state" for g in self.layout.groups):
            return
        for i, group in enumerate(self.layout.groups):
            if group.kind == "cross":
                pages = range(len(seq.tables[i]) if encode else 0)
            else:
                pages = range(before // group.block_size, seq.computed // group.block_size)
            for page in pages:
                self.found.setdefault(self.name(i, page, context, seen), seq.tables[i][page])

    def go_on(self) -> None:
        seq, context = self.rng.choice(self.alive)
        if seq.computed == len(seq.tokens):
            seq.tokens.extend(array("i", [self.rng.randrange(2)]))
        count = min(self.chunk, len(seq.tokens) - seq.computed)
        if self.cache.extend(seq, seq.computed + count):
            self.compute(seq, context, count)
        else:
            self.leave()

    def leave(self) -> None:
        seq, _ = self.alive.pop(self.rng.randrange(len(self.alive)))
        self.cache.free(seq)

    def live(self, moves: int) -> None:
        rng = self.rng
        streams = [[rng.randrange(2) for _ in range(40)] for _ in range(2)]
        cross = any(g.kind == "cross" for g in self.layout.groups)
        for _ in range(moves):
            x = rng.random()
            if x < 0.34 or not self.alive:
                own = [rng.randrange(2) for _ in range(rng.choice([0, 0, 2]))]
                self.enter(
                    rng.choice(streams)[: rng.randint(1, 36)] + own, rng.choice(CONTEXTS if cross else CONTEXTS[:2])
                )
            elif x < 0.68:
                self.go_on()
            elif x < 0.99:
                self.leave()
            else:
                self.pool.forget_content()
                self.found.clear()
                while self.alive:  # what runs over other weights ends
                    self.leave()
            self.cache.check_integrity([s for s, _ in self.alive])
            self.pool.check_content()
        while self.alive:
            self.leave()
        assert self.pool.free == self.pool.usable


@pytest.mark.parametrize("name", LAYOUTS)
@given(seed=st.integers(0, 1 << 30))
@settings(deadline=None, max_examples=20)
def test_hits_are_the_longest_that_are_right(name: str, seed: int) -> None:
    rng = random.Random(seed)
    Shadow(LAYOUTS[name], rng.choice([30, 50, 120]), rng).live(90)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
@given(seed=st.integers(0, 1 << 60))
@settings(deadline=None, max_examples=300)
def test_hits_are_the_longest_that_are_right_at_length(name: str, seed: int) -> None:
    rng = random.Random(seed)
    Shadow(LAYOUTS[name], rng.choice([30, 50, 120]), rng).live(400)


@pytest.mark.parametrize("name", [n for n, made in LAYOUTS.items() if all(g.kind != "state" for g in made.groups)])
def test_the_oracle_does_see_hits(name: str) -> None:
    shadow = Shadow(LAYOUTS[name], 80, random.Random(1))
    shadow.live(200)
    assert shadow.hits > 60


def _computed(cache: CacheManager, tokens: list[int], context: Context | None = None) -> Sequence:
    seq = make_sequence(tokens, groups=len(cache.groups), context=context)
    assert cache.admit(seq, Hit(0, [[] for _ in cache.groups]), len(tokens), len(tokens), 0)
    seq.computed = len(tokens)
    cache.commit(seq, len(tokens))
    return seq


@pytest.mark.parametrize(("length", "hit"), [(1, 0), (4, 0), (5, 4), (8, 4), (9, 8), (12, 8), (13, 12), (40, 12)])
def test_a_token_is_always_left_to_compute(length: int, hit: int) -> None:
    cache = CacheManager(layout(("full", 4)), 60, max_chunk=64)
    _computed(cache, [7] * 13)
    assert cache.lookup(make_sequence([7] * length, groups=1)).length == hit


def test_chains_with_other_roots_never_meet() -> None:
    cache = CacheManager(layout(("full", 4)), 200, max_chunk=64)
    contexts = [Context(), Context("a"), Context("b"), Context("ab"), Context(media="a", cross_tokens=1)]
    for context in contexts:
        assert cache.lookup(make_sequence([1] * 9, groups=1, context=context)).length == 0
        _computed(cache, [1] * 9, context)
        assert cache.lookup(make_sequence([1] * 9, groups=1, context=context)).length == 8


def test_without_prefix_caching_nothing_is_found() -> None:
    cache = CacheManager(layout(("full", 4)), 60, max_chunk=64, prefix_caching=False)
    _computed(cache, [1] * 20)
    assert cache.lookup(make_sequence([1] * 20, groups=1)).length == 0
    assert (cache.query_tokens, cache.hit_tokens) == (0, 0)


def test_a_sequence_whose_input_is_open_is_not_looked_up() -> None:
    cache = CacheManager(layout(("full", 4)), 60, max_chunk=64)
    _computed(cache, [1] * 20)
    assert cache.lookup(make_sequence([1] * 20, groups=1, input_open=True)).length == 0


def test_tokens_of_an_output_are_found_as_well() -> None:
    cache = CacheManager(layout(("full", 4)), 60, max_chunk=64)
    seq = _computed(cache, [1, 2, 3, 4, 5, 6])
    for token in (7, 8, 9):
        seq.tokens.append(token)
        assert cache.extend(seq, len(seq.tokens))
        seq.computed += 1
        cache.commit(seq, seq.computed)
    cache.free(seq)
    assert cache.lookup(make_sequence([1, 2, 3, 4, 5, 6, 7, 8, 9, 1], groups=1)).length == 8
    assert cache.lookup(make_sequence([1, 2, 3, 4, 5, 6, 7, 9, 9, 1], groups=1)).length == 4
