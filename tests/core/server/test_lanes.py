"""Threads by size: a lane that is full does not stop a smaller request."""

from __future__ import annotations

import threading

from frameworkctl.server.lanes import LANES, Lanes


def test_small_ones_do_not_wait_for_large_ones() -> None:
    lanes, go_on = Lanes(), threading.Event()
    sizes = list(LANES)
    try:
        blocked = [lanes.of(most).submit(go_on.wait) for most in sizes[1:] for _ in range(9)]
        assert lanes.of(0).submit(lambda: 7).result(60) == 7
        assert lanes.of(sizes[0]).submit(lambda: 8).result(60) == 8
        assert not any(work.done() for work in blocked)
    finally:
        go_on.set()
        lanes.shutdown()
    assert all(work.result(60) for work in blocked)


def test_each_size_has_its_lane() -> None:
    lanes = Lanes()
    try:
        assert len({id(lanes.of(most)) for most in LANES} | {id(lanes.waiting)}) == len(LANES) + 1
        for smaller, larger in zip(list(LANES), list(LANES)[1:], strict=False):
            assert lanes.of(smaller + 1) is lanes.of(larger)
    finally:
        lanes.shutdown()
