"""A runner without tensors: keeps rows as the real batch does, and notices every wrong page it would read or write."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from frameworkctl.interfaces import PoolTask
from frameworkctl.scheduling.cache.groups import Group, PoolLayout
from frameworkctl.scheduling.cache.page_pool import NULL_PAGE, PagePool
from frameworkctl.scheduling.plan import NewSequence, Sampled, StepPlan, Vectors

from .scheduling import Context, next_token

READS_ALL: PoolTask = "token_embed"  # the task whose pooler looks at all of a text
Cell = tuple[int, int, int]  # group, position, digest of everything that the value at this position depends on
FailAt = Literal["launch", "compute", "sample"]


class ModelFailed(Exception):
    """The forward raised, as asked for."""


class PluginFailed(Exception):
    """A policy raised, as asked for."""


def vectors(digest: int) -> Vectors:
    """What a text is pooled to whose last token has this digest."""
    return Vectors(digest.to_bytes(8, "little", signed=True), 2)


def _ints(raw: bytes) -> list[int]:
    out = array("i")
    out.frombytes(raw)
    return out.tolist()


@dataclass
class Row:
    """All that the runner knows about one sequence: what plans have said, and what it sampled itself."""

    id: int
    seed: int
    context: Context
    prompt_len: int
    computed: int
    tokens: list[int] = field(default_factory=list)
    digests: list[int] = field(default_factory=list)
    tables: list[list[int]] = field(default_factory=list)
    encode: bool = False
    pooled: bool = False

    def write(self, values: list[int]) -> None:
        for token in values:
            self.digests.append(hash((self.digests[-1] if self.digests else self.context.identity, token)))
            self.tokens.append(token)


class FakeRunner:
    """``launch`` and ``sample`` as the real runner has them. ``contexts`` stands for the media and adapters that a plan
    does not carry; ``store[page]`` is what the page holds at each offset."""

    def __init__(
        self,
        layout: PoolLayout,
        pages: int,
        contexts: Mapping[int, Context],
        *,
        max_seqs: int,
        max_tokens: int,
        max_len: int,
    ) -> None:
        self.groups, self.contexts = layout.groups, contexts
        self.max_seqs, self.max_tokens, self.max_len = max_seqs, max_tokens, max_len
        self.store: list[dict[int, Cell]] = [{} for _ in range(pages)]
        self.rows: dict[int, Row] = {}
        self.written: set[int] = set()  # pages of the last step
        self.computed_tokens = 0
        self._launched: tuple[StepPlan, list[Sampled]] | None = None

    def reset(self) -> None:
        """After a step that failed: the rows are gone, the pages keep their content."""
        self._launched = None
        self.rows.clear()

    # -- what a plan changes

    def _apply(self, plan: StepPlan) -> None:
        for id_ in plan.dropped:
            del self.rows[id_]
        for new in plan.new:
            self._add(new)
        for more_tokens in plan.tokens:
            row = self.rows[more_tokens.id]
            row.write(_ints(more_tokens.tokens))
            row.prompt_len = len(row.tokens)
        for more in plan.pages:
            row = self.rows[more.id]
            for table, pages in zip(row.tables, more.tables, strict=True):
                table.extend(pages)
        for row in self.rows.values():
            assert len(row.tokens) <= self.max_len, f"sequence {row.id} does not fit its row"
            for group, table in zip(self.groups, row.tables, strict=True):
                if group.kind in ("full", "window", "latent"):
                    assert len(table) <= -(-self.max_len // group.block_size), "more pages than columns"
                if group.kind == "state":
                    assert len(table) == 1

    def _add(self, new: NewSequence) -> None:
        assert new.id not in self.rows, f"sequence {new.id} is new twice"
        row = Row(new.id, new.seed, self.contexts[new.id], new.prompt_len, new.computed)
        row.write(_ints(new.tokens))
        assert new.prompt_len <= len(row.tokens)
        assert 0 <= new.computed < len(row.tokens), "nothing is left to compute"
        row.tables = [t[:] for t in new.tables]
        row.encode = new.computed == 0
        row.pooled = new.pool is not None
        assert new.computed == 0 or new.pool is None or new.pool.task != READS_ALL, "a pooler would miss what is cached"
        self.rows[new.id] = row
        assert len(self.rows) <= self.max_seqs, "more rows than the batch has"

    def _clear(self, plan: StepPlan) -> None:
        """Pages that are new to a sequence are zeroed, as the real runner does: what was in them must not be seen."""
        pages = [p for more in plan.pages for table in more.tables for p in table]
        for new in plan.new:
            pages += [p for table, kept in zip(new.tables, new.kept, strict=True) for p in table[kept:]]
        assert NULL_PAGE not in pages
        assert len(set(pages)) == len(pages), "a page is new twice"
        for page in pages:
            self.store[page].clear()

    # -- one step

    def launch(self, plan: StepPlan, fail_at: FailAt | None = None) -> None:
        assert self._launched is None, "launch twice"
        self._apply(plan)
        self._clear(plan)
        if fail_at == "launch":
            raise ModelFailed
        assert plan.scheduled, "a step of nothing"
        assert sum(s.count for s in plan.scheduled) <= self.max_tokens, "over the token budget"
        assert len({s.id for s in plan.scheduled}) == len(plan.scheduled), "scheduled twice"
        writers: dict[int, int] = {}
        for item in plan.scheduled:
            row = self.rows[item.id]
            assert item.count > 0
            assert not item.drafts or item.sample, "drafts that nobody verifies"
            row.write(item.drafts)
            assert row.computed + item.count <= len(row.tokens), "a token that is not known yet"
            for index, group in enumerate(self.groups):
                self._write(row, index, group, item.count, writers)
        self.written = set(writers)
        if fail_at == "compute":
            raise ModelFailed
        sampled = []
        for item in plan.scheduled:
            row = self.rows[item.id]
            for index, group in enumerate(self.groups):
                self._read(row, index, group, item.count)
            row.computed += item.count
            self.computed_tokens += item.count
            if item.sample:
                assert row.computed == len(row.tokens), "sampled before its last token"
                if row.pooled:
                    sampled.append(Sampled(row.id, None, vectors=vectors(row.digests[-1])))
                    continue
                sampled.append(self._verify(row, item.drafts))
        self._launched = (plan, sampled)

    def sample(self, fail_at: FailAt | None = None) -> list[Sampled]:
        assert self._launched is not None
        (_, sampled), self._launched = self._launched, None
        if fail_at == "sample":
            raise ModelFailed
        for item in sampled:
            if item.token is not None:
                self.rows[item.id].write([item.token, *item.more])
        return sampled

    def _verify(self, row: Row, drafts: list[int]) -> Sampled:
        """The model's token at each draft and behind the last, as far as the drafts are these; what was computed for
        the others can be seen by nobody."""
        known = len(row.tokens) - len(drafts)
        tokens = [next_token(row.digests[known - 1], row.seed)]
        while len(tokens) <= len(drafts) and drafts[len(tokens) - 1] == tokens[-1]:
            tokens.append(next_token(row.digests[known - 1 + len(tokens)], row.seed))
        row.computed = known + len(tokens) - 1
        for group, table in zip(self.groups, row.tables, strict=True):
            for at in range(row.computed, len(row.tokens)) if group.kind != "cross" else ():
                del self.store[table[at // group.block_size]][at % group.block_size]
        del row.tokens[known:], row.digests[known:]
        return Sampled(row.id, tokens[0], more=tokens[1:])

    # -- pages

    def _put(self, row: Row, page: int, offset: int, cell: Cell, writers: dict[int, int]) -> None:
        assert page != NULL_PAGE, f"sequence {row.id} writes {cell} to the null page"
        assert writers.setdefault(page, row.id) == row.id, f"page {page} is written by {writers[page]} and {row.id}"
        self.store[page][offset] = cell

    def _write(self, row: Row, index: int, group: Group, count: int, writers: dict[int, int]) -> None:
        table, start = row.tables[index], row.computed
        end = start + count
        if group.kind == "cross":
            if row.encode:
                for at in range(row.context.cross_tokens):
                    page = table[at // group.block_size]
                    self._put(row, page, at % group.block_size, (index, at, row.context.cross_value(at)), writers)
                row.encode = False
        elif group.kind == "state":
            before = self.store[table[0]].get(0)
            assert start == 0 or before == (index, start, row.digests[start - 1]), f"wrong state for {row.id}: {before}"
            self._put(row, table[0], 0, (index, end, row.digests[end - 1]), writers)
        else:
            for at in range(start, end):
                page = table[at // group.block_size]
                self._put(row, page, at % group.block_size, (index, at, row.digests[at]), writers)

    def _read(self, row: Row, index: int, group: Group, count: int) -> None:
        """Everything that one of the tokens computed may look at must be there."""
        table, end = row.tables[index], row.computed + count
        if group.kind == "state":
            wanted = {(table[0], 0): (index, end, row.digests[end - 1])}
        elif group.kind == "cross":
            assert len(table) == -(-row.context.cross_tokens // group.block_size)
            wanted = {
                (table[at // group.block_size], at % group.block_size): (index, at, row.context.cross_value(at))
                for at in range(row.context.cross_tokens)
            }
        else:
            first = 0 if group.window is None else max(0, row.computed - group.window + 1)
            wanted = {
                (table[at // group.block_size], at % group.block_size): (index, at, row.digests[at])
                for at in range(first, end)
            }
            assert len(wanted) == end - first, "a page is twice in what a token sees"
            for number in range(first // group.block_size, -(-end // group.block_size)):
                beyond = [o for o in self.store[table[number]] if number * group.block_size + o >= end]
                assert not beyond, f"page {table[number]} of {row.id} was not cleared"
        for (page, offset), cell in wanted.items():
            found = self.store[page].get(offset) if page != NULL_PAGE else None
            assert found == cell, f"sequence {row.id} reads {found} on page {page} for {cell}"


class WatchedPool(PagePool):
    """Checks that what is shared under a key is complete, and still the same whenever it is found or handed out."""

    def __init__(self, count: int, layout: PoolLayout, store: list[dict[int, Cell]]) -> None:
        super().__init__(count)
        self._sizes = [g.block_size for g in layout.groups]
        self._kinds = [g.kind for g in layout.groups]
        self._store = store
        self._content: dict[int, dict[int, Cell]] = {}

    def publish(self, page: int, key: bytes) -> None:
        known = self.find(key)
        super().publish(page, key)
        if known is None and self.find(key) == page:
            cells = self._store[page]
            index = next(iter(cells.values()))[0]
            positions = [cells[offset][1] for offset in sorted(cells)]
            assert {c[0] for c in cells.values()} == {index}, "a shared page mixes groups"
            if self._kinds[index] != "cross":
                assert len(cells) == self._sizes[index], "a shared page is not full"
            assert positions == list(range(positions[0], positions[0] + len(cells)))
            self._content[page] = dict(cells)

    def allocate(self, n: int) -> list[int]:
        pages = super().allocate(n)
        for page in pages:
            assert page != NULL_PAGE
            self._content.pop(page, None)
        return pages

    def check_content(self) -> None:
        for key, page in self._cached.items():
            assert self._store[page] == self._content[page], f"page {page}, shared under {key.hex()[:8]}, has changed"
