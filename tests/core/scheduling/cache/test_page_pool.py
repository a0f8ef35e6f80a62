"""The page pool against a model of lists and sets."""

from __future__ import annotations

from collections import Counter

import pytest
from frameworkctl.scheduling.cache.page_pool import NULL_PAGE, PagePool
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

KEYS = [bytes([k]) * 4 for k in range(6)]


class PoolMachine(RuleBasedStateMachine):
    """``free`` is the naive truth: pages in the order in which they may be handed out, oldest first."""

    @initialize(count=st.integers(2, 9))
    def build(self, count: int) -> None:
        self.pool = PagePool(count)
        self.count = count
        self.free = list(range(1, count))
        self.held: Counter[int] = Counter()
        self.key_of: dict[int, bytes] = {}

    def _handed_out(self, pages: list[int]) -> None:
        for page in pages:
            assert page != NULL_PAGE
            assert page in self.free, "handed out although somebody holds it"
            blank = [p for p in self.free if p not in self.key_of]
            if blank:
                assert page in blank, "content was thrown away although blank pages were free"
            else:
                assert page == self.free[0], "not the least recently freed"
            self.free.remove(page)
            self.key_of.pop(page, None)
            self.held[page] = 1

    @rule(data=st.data())
    def allocate(self, data: st.DataObject) -> None:
        n = data.draw(st.integers(0, len(self.free)))
        pages = self.pool.allocate(n)
        assert len(set(pages)) == n
        self._handed_out(pages)

    @precondition(lambda self: self.key_of)
    @rule(data=st.data())
    def hold_found(self, data: st.DataObject) -> None:
        page = data.draw(st.sampled_from(sorted(self.key_of)))
        assert self.pool.find(self.key_of[page]) == page
        self.pool.hold(page)
        self.held[page] += 1
        if page in self.free:
            self.free.remove(page)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        pages = data.draw(st.lists(st.sampled_from(sorted(self.held.elements())), min_size=1, max_size=4))
        pages = [p for i, p in enumerate(pages) if pages[:i].count(p) < self.held[p]]
        self.pool.release([NULL_PAGE, *pages, NULL_PAGE])
        for page in pages:
            self.held[page] -= 1
            if not self.held[page]:
                del self.held[page]
                self.free.append(page)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), key=st.sampled_from(KEYS))
    def publish(self, data: st.DataObject, key: bytes) -> None:
        page = data.draw(st.sampled_from(sorted(self.held)))
        self.pool.publish(page, key)
        if page not in self.key_of and key not in self.key_of.values():
            self.key_of[page] = key

    @rule()
    def forget(self) -> None:
        self.pool.forget_content()
        self.key_of.clear()

    @invariant()
    def agree(self) -> None:
        pool = self.pool
        pool.check_integrity()
        assert pool.free == len(self.free)
        assert pool.usable == self.count - 1
        assert [pool.refs[p] for p in range(self.count)] == [self.held[p] for p in range(self.count)]
        assert [pool.is_free(p) for p in range(1, self.count)] == [p in self.free for p in range(1, self.count)]
        for key in KEYS:
            assert pool.find(key) == next((p for p, k in self.key_of.items() if k == key), None)


PoolMachine.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
TestPagePool = PoolMachine.TestCase


def test_least_recently_freed_content_goes_first() -> None:
    pool = PagePool(5)
    pages = pool.allocate(4)
    for page in pages:
        pool.publish(page, bytes([page]))
    order = [pages[2], pages[0], pages[3], pages[1]]
    pool.release(order)
    assert [pool.allocate(1)[0] for _ in range(4)] == order
    assert all(pool.find(bytes([p])) is None for p in pages)


def test_a_found_page_is_used_again_later_than_others() -> None:
    pool = PagePool(3)
    a, b = pool.allocate(2)
    pool.publish(a, b"a")
    pool.publish(b, b"b")
    pool.release([a, b])
    pool.hold(a)
    pool.release([a])
    assert pool.allocate(1) == [b]
    assert pool.find(b"a") == a


def test_blank_pages_go_before_content() -> None:
    pool = PagePool(4)
    a, b, c = pool.allocate(3)
    pool.publish(a, b"a")
    pool.publish(c, b"c")
    pool.release([a, b, c])
    assert pool.allocate(1) == [b]
    assert pool.find(b"a") == a


def test_a_taken_key_stays_with_its_page() -> None:
    pool = PagePool(4)
    a, b = pool.allocate(2)
    pool.publish(a, b"k")
    pool.publish(b, b"k")
    pool.publish(a, b"other")
    assert pool.find(b"k") == a
    assert pool.find(b"other") is None
    pool.release([a, b])
    pool.check_integrity()


def test_a_pool_needs_a_page_beside_the_null_page() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        PagePool(1)


@pytest.mark.parametrize("damage", ["released too often", "null page held", "stale key", "free although held"])
def test_the_integrity_check_sees_damage(damage: str) -> None:
    pool = PagePool(4)
    (page,) = pool.allocate(1)
    pool.check_integrity()
    if damage == "released too often":
        pool.release([page, page])
    elif damage == "null page held":
        pool.refs[NULL_PAGE] = 1
    elif damage == "stale key":
        pool.publish(page, b"k")
        pool._cached.clear()
    else:
        pool._free[page] = None
    with pytest.raises(AssertionError):
        pool.check_integrity()
