"""A larger pool costs nothing per step: operations are counted, not seconds."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.cache.groups import PoolLayout
from frameworkctl.scheduling.cache.manager import CacheManager
from frameworkctl.scheduling.plan import Sampled
from frameworkctl.scheduling.policies import FirstComeFirstServed
from frameworkctl.scheduling.scheduler import Limits, Scheduler
from support.engine.scheduling import LAYOUTS, Context, make_sequence


def operations(run: Callable[[], None]) -> Counter[str]:
    """Byte codes, calls, and calls into C that ``run`` takes; what C does to the whole of a list is not seen."""
    count: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        frame.f_trace_opcodes = True
        count[event] += event in ("opcode", "call")
        return trace

    def profile(frame: FrameType, event: str, arg: Any) -> None:
        count[event] += event == "c_call"

    before, before_profile = sys.gettrace(), sys.getprofile()
    gc.disable()  # its callbacks would be counted, whenever they come
    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(before_profile)
        sys.settrace(before)
        gc.enable()
    return +count


def life(layout: PoolLayout, pages: int) -> Counter[str]:
    """A few sequences from their first step to their last, with hits, an abort, and a step that is taken back."""
    cache = CacheManager(layout, pages, max_chunk=16)
    scheduler = Scheduler(cache, FirstComeFirstServed(), Limits(4, 16, watermark=0.01))
    media = any(g.kind == "cross" for g in layout.groups)
    context = Context("", "a", 6) if media else Context()
    seqs = [
        make_sequence(
            [7] * n, SamplingParams(max_tokens=9), groups=len(layout.groups), context=context, id=i + 1, arrival=i
        )
        for i, n in enumerate((30, 41, 30, 5, 12))
    ]

    def run() -> None:
        for seq in seqs:
            scheduler.add(seq)
        for turn in range(60):
            step = scheduler.schedule()
            if step is None:
                break
            scheduler.commit(step, [Sampled(s.id, 3) for s in step.plan.scheduled if s.sample])
            if turn == 6:
                scheduler.finish(seqs[1])
            scheduler.load()

    count = operations(run)
    assert not scheduler.has_work
    assert cache.pool.free == cache.pool.usable
    return count


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_a_large_pool_costs_no_more_than_a_small_one(name: str) -> None:
    life(LAYOUTS[name], 1_000)  # what is cached on first use
    small, large = life(LAYOUTS[name], 1_000), life(LAYOUTS[name], 100_000)
    assert small["opcode"] > 10_000
    assert small["c_call"] > 100
    assert small == large


def test_the_count_does_see_a_walk_over_the_pool() -> None:
    def walk(pages: int) -> Callable[[], None]:
        cache = CacheManager(LAYOUTS["full"], pages, max_chunk=8)
        return lambda: cache.check_integrity([])

    assert operations(walk(2_000))["opcode"] > 5 * operations(walk(200))["opcode"]
