"""Pages of sequences over all groups: allocation, prefix hits, publication, pages that fall out of a window."""

from __future__ import annotations

import math
from array import array

import msgspec

from frameworkctl.scheduling.sequence import Sequence

from . import prefix
from .groups import TOKEN_KINDS, Group, PoolLayout
from .page_pool import NULL_PAGE, PagePool


class Hit(msgspec.Struct):
    """Tokens that need not be computed, and the pages of each group that hold them."""

    length: int
    tables: list[list[int]]


class CacheManager:
    """Holders of pages. Nothing here is taken by one caller alone: all groups get their pages, or none does."""

    def __init__(self, layout: PoolLayout, pages: int, *, max_chunk: int, prefix_caching: bool = True) -> None:
        self.layout = layout
        self.max_chunk = max_chunk  # most tokens of one sequence in a step
        self.groups = layout.groups
        self.pool = PagePool(pages)
        kinds = {g.kind for g in self.groups}
        self.prefix_caching = prefix_caching and "state" not in kinds and bool(kinds.intersection(TOKEN_KINDS))
        self._block = math.gcd(*(g.block_size for g in self.groups if g.kind in TOKEN_KINDS)) or 1
        self.hit_tokens = self.query_tokens = 0

    # -- prefix hits

    def lookup(self, seq: Sequence) -> Hit:
        """Return the longest prefix valid in every group at once; at least one token is left to compute.

        None for a session, and none where the prompt is to be scored, or pooled in a way that takes the hidden states
        of all of it.
        """
        empty = Hit(0, [[] for _ in self.groups])
        if not self._reads_cache(seq):
            return empty
        self._extend_chain(seq)
        longest = (len(seq.tokens) - 1) // self.layout.alignment * self.layout.alignment
        found = [self._found(index, group, seq, longest) for index, group in enumerate(self.groups)]
        if any(pages is None for pages in found):
            return empty
        runs = [_runs(pages or []) for pages in found]
        for length in range(longest, 0, -self.layout.alignment):
            if all(self._valid(g, runs[i], length) for i, g in enumerate(self.groups)):
                return Hit(length, [self._hit_pages(g, found[i] or [], length) for i, g in enumerate(self.groups)])
        return empty

    def after(self, seq: Sequence, hit: Hit) -> bytes | None:
        """Return the digest of the shortest prefix that would be a longer hit than this one of ``lookup``; None for
        none.
        """
        length = hit.length + self.layout.alignment
        if length >= len(seq.tokens) or not self._reads_cache(seq):
            return None
        return seq.chain[length // self._block - 1]

    def coming(self, seq: Sequence) -> list[bytes]:
        """Digests of the prefixes that steps under way compute for this sequence, or begin to."""
        size = self.layout.alignment
        first, last = seq.committed // size, min(-(-seq.computed // size), len(seq.tokens) // size)
        if first >= last or seq.computed == seq.committed or not self.prefix_caching:
            return []
        self._extend_chain(seq)
        return [seq.chain[length // self._block - 1] for length in range((first + 1) * size, last * size + 1, size)]

    def _reads_cache(self, seq: Sequence) -> bool:
        of_all = seq.input_open or seq.reads_all or seq.params.prompt_logprobs is not None
        return self.prefix_caching and not of_all

    def _found(self, index: int, group: Group, seq: Sequence, longest: int) -> list[int] | None:
        """Cached pages up to ``longest`` tokens, NULL_PAGE for gaps; None when the group rules out any hit."""
        if group.kind == "cross":
            keys = [self._cross_key(index, seq, i) for i in range(group.pages_for(seq.cross_tokens))]
            pages = [self.pool.find(k) for k in keys]
            return None if any(p is None for p in pages) else [p for p in pages if p is not None]
        out = []
        for page in range(longest // group.block_size):
            cached = self.pool.find(self._key(index, group, seq, page))
            if cached is None and group.window is None:
                break  # what follows a gap is of no use without a window
            out.append(NULL_PAGE if cached is None else cached)
        return out

    def _valid(self, group: Group, runs: list[int], length: int) -> bool:
        if group.kind == "cross":
            return True
        last = length // group.block_size - 1
        return last < len(runs) and runs[last] >= last + 1 - group.first_visible(length)

    def _hit_pages(self, group: Group, pages: list[int], length: int) -> list[int]:
        if group.kind == "cross":
            return pages
        first, count = group.first_visible(length), length // group.block_size
        return [NULL_PAGE] * first + pages[first:count]

    def _key(self, index: int, group: Group, seq: Sequence, page: int) -> bytes:
        return seq.chain[(page + 1) * group.block_size // self._block - 1] + index.to_bytes(2, "little")

    def _cross_key(self, index: int, seq: Sequence, page: int) -> bytes:
        return (seq.cross_digest or b"") + page.to_bytes(4, "little") + index.to_bytes(2, "little")

    def _extend_chain(self, seq: Sequence) -> None:
        prefix.extend(seq.chain, seq.chain_root, seq.tokens, self._block)

    # -- allocation

    def admit(self, seq: Sequence, hit: Hit, chunk: int, reserve: int, headroom: int) -> bool:
        """Give a waiting sequence the pages of its hit and of its first ``chunk`` tokens after it.

        Only if ``reserve`` tokens (its whole prompt) would fit too, with ``headroom`` pages left free.
        """
        need = sum(
            max(
                0,
                g.held(hit.length, reserve, self.max_chunk, seq.cross_tokens)
                - sum(p != NULL_PAGE for p in hit.tables[i]),
            )
            for i, g in enumerate(self.groups)
        )
        revived = {p for pages in hit.tables for p in pages if p != NULL_PAGE and self.pool.is_free(p)}
        if need + headroom > self.pool.free - len(revived):
            return False
        for table, pages in zip(seq.tables, hit.tables, strict=True):
            for page in pages:
                if page != NULL_PAGE:
                    self.pool.hold(page)
            table[:] = pages
        seq.computed = seq.committed = hit.length
        seq.kept = [len(pages) for pages in hit.tables]
        seq.published = seq.kept[:]
        seq.sent = [0] * len(self.groups)
        if self.prefix_caching:
            self.query_tokens += len(seq.tokens)
            self.hit_tokens += hit.length
        if not self.extend(seq, hit.length + chunk):
            raise AssertionError("pages were counted and are not there")
        return True

    def extend(self, seq: Sequence, tokens: int) -> bool:
        """Make every table long enough for ``tokens`` tokens; False, and nothing taken, where pages are lacking."""
        missing = [
            max(0, g.pages_for(seq.cross_tokens if g.kind == "cross" else tokens) - len(table))
            for g, table in zip(self.groups, seq.tables, strict=True)
        ]
        total = sum(missing)
        if total > self.pool.free:
            return False
        if total:
            for table, n in zip(seq.tables, missing, strict=True):
                if n:
                    table.extend(self.pool.allocate(n))
        return True

    def commit(self, seq: Sequence, committed: int) -> None:
        """Commit tokens that are in the cache: share full pages, free those that a window has passed."""
        seq.committed = committed
        if self.prefix_caching:
            self._publish(seq)
        for group, table in zip(self.groups, seq.tables, strict=True):
            if group.window is None:
                continue
            gone = []
            for page in range(min(group.first_visible(committed), len(table)) - 1, -1, -1):
                if table[page] == NULL_PAGE:
                    break
                gone.append(table[page])
                table[page] = NULL_PAGE
            self.pool.release(gone)

    def _publish(self, seq: Sequence) -> None:
        full = min(seq.committed, len(seq.tokens))
        extended = False
        for index, group in enumerate(self.groups):
            if group.kind == "cross":
                for page in range(seq.published[index], len(seq.tables[index]) if seq.cross_digest else 0):
                    self.pool.publish(seq.tables[index][page], self._cross_key(index, seq, page))
                seq.published[index] = len(seq.tables[index])
                continue
            last = full // group.block_size
            if last <= seq.published[index]:
                continue
            if not extended:
                self._extend_chain(seq)
                extended = True
            for page in range(seq.published[index], last):
                if seq.tables[index][page] != NULL_PAGE:
                    self.pool.publish(seq.tables[index][page], self._key(index, group, seq, page))
            seq.published[index] = last

    def free(self, seq: Sequence) -> None:
        """Give back everything; what was published can still be found."""
        for table in seq.tables:
            self.pool.release(reversed(table))
            table.clear()
        seq.sent = [0] * len(self.groups)

    def check_nobody_runs(self) -> bool:
        """Return True if all pages are free, when no sequence has any; else take back those that a fault has lost."""
        if self.pool.free == self.pool.usable and not any(self.pool.refs):
            return True
        self.pool.release_all()
        return False

    def check_integrity(self, alive: list[Sequence]) -> None:
        """Raise AssertionError unless references are exactly those of the sequences given."""
        self.pool.check_integrity()
        counts = array("l", [0] * self.pool.count)
        for seq in alive:
            for table in seq.tables:
                for page in table:
                    counts[page] += page != NULL_PAGE
        assert list(counts) == self.pool.refs, "references do not match the tables"


def _runs(pages: list[int]) -> list[int]:
    """Return, for each page, how many pages in a row up to it exist."""
    out, run = [], 0
    for page in pages:
        run = run + 1 if page != NULL_PAGE else 0
        out.append(run)
    return out
