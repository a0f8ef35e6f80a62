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
    queue.admitted(seq)
    with_order.close()
    return seq.request


@pytest.mark.parametrize("policy", [FirstComeFirstServed, Priority])
@given(widths=st.lists(st.integers(1, 30), min_size=1, max_size=8), gaps=st.lists(st.integers(0, 10), max_size=8))
def test_no_request_waits_for_the_width_of_another(
    policy: type[FirstComeFirstServed | Priority], widths: list[int], gaps: list[int]
) -> None:
    """With k requests waiting, a newcomer has its first step within 2 k admissions, and so has everybody after it."""
    queue = WaitingQueue(PolicyGuard(policy()))
    left: dict[int, int] = {}
    waited: dict[int, int] = {}  # admissions of others since a request's last

    def step() -> None:
        found = admit(queue)
        for other in left:
            waited[other] += 1
        waited[found] = 0
        left[found] -= 1
        if not left[found]:
            del left[found]
        assert all(waited[other] <= 2 * len(widths) for other in left)

    ids = iter(range(10_000))
    for request, width in enumerate(widths):
        for index in range(width):
            queue.add(make(next(ids), request, index))
        left[request], waited[request] = width, 0
        for _ in range(gaps[request] if request < len(gaps) else 0):
            if left:
                step()
    while left:
        step()


def test_a_preempted_sequence_keeps_its_turn() -> None:
    queue = WaitingQueue(PolicyGuard(FirstComeFirstServed()))
    first = make(1, 0, 0)
    queue.add(first)
    assert admit(queue) == 0
    for id_ in range(2, 6):
        queue.add(make(id_, 1, id_ - 2))
    queue.add(first)
    assert admit(queue) == 0
