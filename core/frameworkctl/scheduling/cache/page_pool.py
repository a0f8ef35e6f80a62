"""The pages of one engine: reference counts, a free list in LRU order, and an index of pages with reusable content."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

NULL_PAGE = 0  # stands in block tables for a page that is gone or not there; never handed out


class PagePool:
    """``count`` pages of equal bytes, page 0 reserved. All operations take constant time per page.

    A free page keeps its content, and can be found by its key, until it is handed out again; pages without content go
    first, then the least recently freed.
    """

    def __init__(self, count: int) -> None:
        if count < 2:
            raise ValueError(f"a pool needs at least 2 pages, got {count}")
        self.count = count
        self.refs = [0] * count
        self._free: OrderedDict[int, None] = OrderedDict.fromkeys(range(1, count))
        self._keys: list[bytes | None] = [None] * count
        self._cached: dict[bytes, int] = {}

    @property
    def usable(self) -> int:
        """Pages that sequences can have."""
        return self.count - 1

    @property
    def free(self) -> int:
        """Pages that nobody holds, with content or without."""
        return len(self._free)

    def allocate(self, n: int) -> list[int]:
        """Return ``n`` pages, each held once; what they contained is forgotten. The caller has checked ``free``."""
        pages = []
        for _ in range(n):
            page, _ = self._free.popitem(last=False)
            key = self._keys[page]
            if key is not None:
                del self._cached[key]
                self._keys[page] = None
            self.refs[page] = 1
            pages.append(page)
        return pages

    def hold(self, page: int) -> None:
        """Add a holder to a page found by its key."""
        if self.refs[page] == 0:
            del self._free[page]
        self.refs[page] += 1

    def release(self, pages: Iterable[int]) -> None:
        """Remove a holder from each page; skip null pages.

        Pages come back in the order given, so give a sequence's last page first: beginnings then live longest.
        """
        for page in pages:
            if page == NULL_PAGE:
                continue
            self.refs[page] -= 1
            if self.refs[page] == 0:
                self._free[page] = None
                if self._keys[page] is None:
                    self._free.move_to_end(page, last=False)

    def publish(self, page: int, key: bytes) -> None:
        """Publish a complete page under ``key``; do nothing if the key is taken."""
        if self._keys[page] is None and key not in self._cached:
            self._keys[page] = key
            self._cached[key] = page

    def find(self, key: bytes) -> int | None:
        """Return the page with this content."""
        return self._cached.get(key)

    def is_free(self, page: int) -> bool:
        return self.refs[page] == 0

    def release_all(self) -> None:
        """Nobody holds a page any more, whatever the references say; no content can be found."""
        self.forget_content()
        self.refs = [0] * self.count
        self._free = OrderedDict.fromkeys(range(1, self.count))

    def forget_content(self) -> None:
        """Forget all keys, as after a change of weights. Pages in use stay in use."""
        self._cached.clear()
        self._keys = [None] * self.count

    def check_integrity(self) -> None:
        """Raise AssertionError unless every page is either free or held, and the index points at what it says."""
        assert self.refs[NULL_PAGE] == 0, "the null page is held"
        assert NULL_PAGE not in self._free, "the null page is free"
        for page in range(1, self.count):
            assert (self.refs[page] == 0) == (page in self._free), f"page {page}: {self.refs[page]} refs"
            assert self.refs[page] >= 0, f"page {page} released too often"
            key = self._keys[page]
            assert key is None or self._cached.get(key) == page, f"page {page}: stale key"
        assert len(self._cached) == sum(k is not None for k in self._keys), "keys without pages"
