"""The queue of those that wait."""

from __future__ import annotations

import random
from contextlib import closing

import pytest
from frameworkctl.interfaces.generation.scheduling import Policy, RequestView
from frameworkctl.scheduling.checked_policy import PolicyGuard
from frameworkctl.scheduling.policies import FirstComeFirstServed
from frameworkctl.scheduling.sequence import Sequence, Status
from frameworkctl.scheduling.waiting import WaitingQueue
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine.scheduling import make_sequence


class ByPriority(Policy):
    def key(self, request: RequestView, now: float) -> tuple[float, ...]:
        return (request.priority,)


class DynamicByPriority(ByPriority):
    dynamic_key = True


def sequences(*priorities: int) -> list[Sequence]:
    return [make_sequence([1], groups=1, priority=p) for p in priorities]


def order(queue: WaitingQueue) -> list[Sequence]:
    with closing(queue.in_order()) as entries:
        return list(entries)


def test_those_that_nobody_takes_stay() -> None:
    queue = WaitingQueue(PolicyGuard(FirstComeFirstServed()))
    seqs = sequences(0, 0, 0)
    for seq in reversed(seqs):
        queue.add(seq)
    assert order(queue) == order(queue) == seqs[::-1]
    assert len(queue) == 3
    assert all(s in queue for s in seqs)


def test_equal_keys_go_by_id() -> None:
    queue = WaitingQueue(PolicyGuard(ByPriority()))
    seqs = sequences(1, 1, 0, 1)
    for seq in (seqs[3], seqs[0], seqs[2], seqs[1]):
        queue.add(seq)
    assert order(queue) == [seqs[2], seqs[0], seqs[1], seqs[3]]


def test_those_that_were_taken_or_aborted_are_gone() -> None:
    queue = WaitingQueue(PolicyGuard(FirstComeFirstServed()))
    seqs = sequences(*[0] * 5)
    for seq in seqs:
        queue.add(seq)
    queue.discard(seqs[1])
    seqs[2].status = Status.FINISHED
    taken = []
    with closing(queue.in_order()) as entries:
        for seq in entries:
            taken.append(seq)
            if seq is seqs[3]:
                queue.discard(seq)
    assert taken == [seqs[0], seqs[3], seqs[4]]
    assert order(queue) == [seqs[0], seqs[4]]
    assert seqs[1] not in queue
    assert seqs[3] not in queue


def test_an_abort_of_one_not_waiting_changes_nothing() -> None:
    queue = WaitingQueue(PolicyGuard(FirstComeFirstServed()))
    here, elsewhere = sequences(0, 0)
    queue.add(here)
    queue.discard(elsewhere)
    assert order(queue) == [here]


def test_one_that_was_preempted_comes_back_in_its_place() -> None:
    queue = WaitingQueue(PolicyGuard(FirstComeFirstServed()))
    seqs = sequences(0, 0, 0)
    for seq in seqs:
        queue.add(seq)
    with closing(queue.in_order()) as entries:
        queue.discard(next(entries))
    assert order(queue) == seqs[1:]
    queue.add(seqs[0])
    assert order(queue) == seqs


def test_a_walk_that_ends_early_loses_nobody() -> None:
    queue = WaitingQueue(PolicyGuard(FirstComeFirstServed()))
    seqs = sequences(*[0] * 6)
    for seq in seqs:
        queue.add(seq)
    with closing(queue.in_order()) as entries:
        assert [next(entries), next(entries), next(entries)] == seqs[:3]
        queue.discard(seqs[1])
    assert order(queue) == [seqs[0], *seqs[2:]]
    entries = queue.in_order()
    entries.close()
    assert order(queue) == [seqs[0], *seqs[2:]]


def test_an_abort_while_walking() -> None:
    queue = WaitingQueue(PolicyGuard(FirstComeFirstServed()))
    seqs = sequences(0, 0, 0)
    for seq in seqs:
        queue.add(seq)
    seen = []
    with closing(queue.in_order()) as entries:
        for seq in entries:
            seen.append(seq)
            queue.discard(seqs[1])
    assert seen == [seqs[0], seqs[2]]


@pytest.mark.parametrize(("policy", "expected"), [(ByPriority, [0, 1, 2]), (DynamicByPriority, [2, 1, 0])])
def test_only_a_dynamic_key_is_asked_again(policy: type[Policy], expected: list[int]) -> None:
    queue = WaitingQueue(PolicyGuard(policy()))
    seqs = sequences(1, 2, 3)
    for seq in seqs:
        queue.add(seq)
    for seq in seqs:
        seq.priority = -seq.priority
    assert [seqs.index(s) for s in order(queue)] == expected


@given(seed=st.integers(0, 1 << 30), dynamic=st.booleans())
@settings(deadline=None, max_examples=60)
def test_against_a_list(seed: int, dynamic: bool) -> None:
    rng = random.Random(seed)
    queue = WaitingQueue(PolicyGuard(DynamicByPriority() if dynamic else ByPriority()))
    outside, inside = sequences(*(rng.randrange(4) for _ in range(12))), []
    for _ in range(60):
        x = rng.random()
        if x < 0.4 and outside:
            inside.append(outside.pop(rng.randrange(len(outside))))
            queue.add(inside[-1])
        elif x < 0.5 and inside:
            aborted = inside.pop(rng.randrange(len(inside)))
            aborted.status = Status.FINISHED
            queue.discard(aborted)
        else:
            expected = sorted(inside, key=lambda s: (s.priority, s.id))
            stop = rng.randrange(14)
            with closing(queue.in_order()) as entries:
                for place, seq in enumerate(entries):
                    assert seq is expected[place]
                    if rng.random() < 0.3:
                        inside.remove(seq)
                        outside.append(seq)
                        queue.discard(seq)
                    if place == stop:
                        break
        assert len(queue) == len(inside)
        assert bool(queue) == bool(inside)
    assert order(queue) == sorted(inside, key=lambda s: (s.priority, s.id))
