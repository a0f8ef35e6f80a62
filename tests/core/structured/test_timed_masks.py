"""Masks under a time limit: who is late loses, the others get theirs, and lateness does not add up."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from frameworkctl.engine import timed_masks
from frameworkctl.engine.timed_masks import OUT_OF_ORDER, TOO_LONG, TimedMasks, TimedMatcher
from frameworkctl.interfaces import GrammarCompiler, Matcher


class Counting(Matcher):
    """Counts tokens; ``slow`` ones compute until they may go."""

    def __init__(self, slow: bool = False, tokens: Sequence[int] = ()) -> None:
        self.slow, self.tokens = slow, list(tokens)

    def accept(self, token: int) -> bool:
        self.tokens.append(token)
        return token < 100

    may_end = must_end = False

    def copy(self) -> Counting:
        return Counting(self.slow, self.tokens)


class Compiler(GrammarCompiler):
    def __init__(self) -> None:
        self.go, self.calls = threading.Event(), 0

    def compile(self, grammar: str) -> Matcher:
        raise NotImplementedError

    def fill(self, matchers: Sequence[Matcher], masks: Any) -> list[str | None]:
        self.calls += 1
        for row, matcher in zip(masks, matchers, strict=True):
            assert isinstance(matcher, Counting)
            row[:] = -1  # what a late thread leaves must not be seen
            if matcher.slow and matcher.tokens:
                assert self.go.wait(60)
            if 7 in matcher.tokens:
                raise KeyError("a mistake")
            row[:] = sum(matcher.tokens)
        return [None] * len(matchers)


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[Compiler]:
    made = Compiler()
    monkeypatch.setattr(timed_masks, "SECONDS", 0.2)
    yield made
    made.go.set()


def matchers(*slow: bool) -> list[TimedMatcher]:
    made = [TimedMatcher(Counting(s)) for s in slow]
    for i, matcher in enumerate(made):
        assert matcher.accept(i + 1)
        assert matcher.accept(10)
    return made


def filled(masks: TimedMasks, made: Sequence[Matcher]) -> tuple[list[str | None], list[int]]:
    out = np.zeros((len(made), 2), dtype=np.int32)
    return masks.fill(made, out), out[:, 0].tolist()


def test_masks_come_in_one_call(compiler: Compiler) -> None:
    assert filled(TimedMasks(compiler), matchers(False, False)) == ([None, None], [11, 12])
    assert compiler.calls == 1


def test_only_the_slow_one_loses(compiler: Compiler) -> None:
    masks, made = TimedMasks(compiler), matchers(False, True, False)
    failures, rows = filled(masks, made)
    assert failures == [None, TOO_LONG, None]
    assert (rows[0], rows[2]) == (11, 13)
    others = [made[0], made[2]]
    assert others[0].accept(20)
    assert filled(masks, others) == ([None, None], [31, 13])
    assert others[0].copy().accept(1)
    assert filled(masks, others) == ([None, None], [31, 13])  # a copy goes its own way


def test_a_late_thread_writes_nowhere(compiler: Compiler) -> None:
    masks, made = TimedMasks(compiler), matchers(True)
    out = np.full((1, 2), 5, dtype=np.int32)
    assert masks.fill(made, out) == [TOO_LONG]
    compiler.go.set()
    while not all(thread.done.is_set() for thread in masks._stuck):
        threading.Event().wait(0.01)
    assert out.tolist() == [[5, 5]]
    assert filled(masks, made) == ([None], [11])


def test_what_the_compiler_raises_is_raised(compiler: Compiler) -> None:
    (made,) = matchers(False)
    made.accept(7)
    with pytest.raises(KeyError, match="a mistake"):
        TimedMasks(compiler).fill([made], np.zeros((1, 1), dtype=np.int32))


def test_threads_that_never_come_back_are_few(compiler: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed_masks, "MAX_STUCK", 2)
    masks = TimedMasks(compiler)
    assert filled(masks, matchers(True))[0] == [TOO_LONG]
    assert filled(masks, matchers(True))[0] == [TOO_LONG]
    assert filled(masks, matchers(False))[0] == [OUT_OF_ORDER]
    compiler.go.set()
    while not all(thread.done.is_set() for thread in masks._stuck):
        threading.Event().wait(0.01)
    assert filled(masks, matchers(False)) == ([None], [11])
