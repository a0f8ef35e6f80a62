"""Requests take turns, however many sequences each of them has."""

from __future__ import annotations

from array import array

import pytest
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.checked_policy import PolicyGuard
from frameworkctl.scheduling.policies import FirstComeFirstServed, Priority
from frameworkctl.scheduling.sequence import Sequence
from frameworkctl.scheduling.waiting import WaitingQueue
from hypothesis import given
from hypothesis import strategies as st

PARAMS = SamplingParams(max_tokens=1)


def make(id_: int, request: int, index: int) -> Sequence:
    return Sequence(
        id_, request, index, array("i", [1]), PARAMS, seed=0, limit=2, arrival=float(request), groups=1, chain_root=b""
    )


def admit(queue: WaitingQueue) -> int:
    """Admit the next sequence; return its request."""
    with_order = queue.in_order()
    seq = next(with_order)
    queue.discard(seq)
    with_order.close()
    return seq.request


@pytest.mark.parametrize("policy", [FirstComeFirstServed, Priority])
@given(widths=st.lists(st.integers(1, 30), min_size=1, max_size=8), gaps=st.lists(st.integers(0, 10), max_size=8))
def test_no_request_waits_for_the_width_of_another(
    policy: type[FirstComeFirstServed | Priority], widths: list[int], gaps: list[int]
) -> None:
    """With k requests waiting, each has a sequence admitted within k admissions, the last of which is its own."""
    queue = WaitingQueue(PolicyGuard(policy()))
    left: dict[int, int] = {}
    waited: dict[int, int] = {}  # admissions of others since a request's last

    promised: dict[int, int] = {}  # requests that waited, itself included, when its next sequence came up

    def step() -> None:
        found = admit(queue)
        for other in left:
            waited[other] += 1
        assert all(waited[other] <= promised[other] for other in left)
        left[found] -= 1
        if left[found]:
            waited[found], promised[found] = 0, len(left)
        else:
            del left[found]

    ids = iter(range(10_000))
    for request, width in enumerate(widths):
        for index in range(width):
            queue.add(make(next(ids), request, index))
        left[request], waited[request] = width, 0
        promised[request] = len(left)
        for _ in range(gaps[request] if request < len(gaps) else 0):
            if left:
                step()
    while left:
        step()


@given(data=st.data())
def test_nothing_is_lost_or_offered_twice(data: st.DataObject) -> None:
    """Whatever comes, goes, is held back or admitted: each pass offers every sequence that waits, once."""
    queue = WaitingQueue(PolicyGuard(FirstComeFirstServed()))
    here: dict[int, Sequence] = {}
    ids = iter(range(10_000))
    for _ in range(data.draw(st.integers(1, 12))):
        for _ in range(data.draw(st.integers(0, 4))):
            seq = make(next(ids), data.draw(st.integers(0, 3)), 0)
            queue.add(seq)
            here[seq.id] = seq
        for id_ in data.draw(st.lists(st.sampled_from(sorted(here)), unique=True, max_size=2)) if here else ():
            queue.discard(here.pop(id_))
        most = data.draw(st.integers(0, 12))
        offered: list[int] = []
        before = set(here)
        passing = queue.in_order()
        for seq in passing:
            offered.append(seq.id)
            if data.draw(st.booleans()):
                queue.discard(here.pop(seq.id))
            if len(offered) == most:
                break
        else:
            assert set(offered) == before
        passing.close()
        assert len(set(offered)) == len(offered)
        assert set(offered) <= before
        assert len(queue) == len(here)
    while here:
        passing = queue.in_order()
        assert {seq.id for seq in passing} == set(here)
        queue.discard(here.popitem()[1])


def test_one_that_is_held_back_holds_up_nobody_of_its_request() -> None:
    """And after the pass the order is as it was."""
    queue = WaitingQueue(PolicyGuard(FirstComeFirstServed()))
    for index in range(3):
        queue.add(make(index, 0, index))
    queue.add(make(3, 1, 0))
    for _ in range(3):
        assert [seq.id for seq in queue.in_order()] == [0, 3, 1, 2]
    stopped = queue.in_order()
    assert [next(stopped).id, next(stopped).id] == [0, 3]
    stopped.close()
    assert [seq.id for seq in queue.in_order()] == [0, 3, 1, 2]


def test_a_preempted_sequence_keeps_its_turn() -> None:
    queue = WaitingQueue(PolicyGuard(FirstComeFirstServed()))
    first = make(1, 0, 0)
    queue.add(first)
    assert admit(queue) == 0
    for id_ in range(2, 6):
        queue.add(make(id_, 1, id_ - 2))
    queue.add(first)
    assert admit(queue) == 0
