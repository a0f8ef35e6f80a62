"""Grammars are compiled beside the engine's steps: waiting, keeping, failing, giving up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from frameworkctl.engine import grammars
from frameworkctl.engine.grammars import Grammars
from frameworkctl.interfaces import GrammarCompiler, Matcher


class Nothing(Matcher):
    may_end = must_end = True

    def accept(self, token: int) -> bool:
        return False

    def copy(self) -> Nothing:
        return self


class Slow(GrammarCompiler):
    """Compiles ``slow...`` when told to, anything else at once."""

    def __init__(self) -> None:
        self.go, self.seen = threading.Event(), []

    def compile(self, grammar: str) -> Matcher:
        self.seen.append(grammar)
        if grammar.startswith("slow"):
            assert self.go.wait(60)
        if grammar == "bad":
            raise ValueError("it is bad")
        if grammar == "broken":
            raise KeyError("oops")
        return Nothing()

    def fill(self, matchers: Sequence[Matcher], masks: Any) -> list[str | None]:
        raise NotImplementedError


class Bench:
    def __init__(self) -> None:
        self.compiler, self.woken = Slow(), threading.Semaphore(0)
        self.grammars = Grammars(lambda: self.compiler, self.woken.release)

    def wait(self) -> dict[int, Any]:
        assert self.woken.acquire(timeout=60)
        return dict(self.grammars.done())


@pytest.fixture
def bench() -> Any:
    made = Bench()
    yield made
    made.compiler.go.set()


def test_a_slow_one_does_not_hold_up_others(bench: Bench) -> None:
    bench.grammars.ask(1, "slow")
    bench.grammars.ask(2, "quick")
    done = bench.wait()
    assert list(done) == [2]
    assert isinstance(done[2], Nothing)
    bench.compiler.go.set()
    assert list(bench.wait()) == [1]
    assert bench.grammars.time_left is None


def test_each_is_compiled_once(bench: Bench) -> None:
    bench.grammars.ask(1, "slow")
    bench.grammars.ask(2, "slow")
    bench.compiler.go.set()
    assert set(bench.wait()) == {1, 2}
    bench.grammars.ask(3, "slow")
    assert set(dict(bench.grammars.done())) == {3}
    assert bench.compiler.seen == ["slow"]


def test_the_least_used_are_forgotten(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammars, "KEPT", 2)
    for who, text in enumerate(["a", "b", "a", "c", "a", "b"]):
        bench.grammars.ask(who, text)
        while who not in dict(bench.grammars.done()):
            assert bench.woken.acquire(timeout=60)
    assert bench.compiler.seen == ["a", "b", "c", "b"]


def test_what_cannot_be_compiled_says_why(bench: Bench) -> None:
    bench.grammars.ask(1, "bad")
    assert bench.wait() == {1: "it is bad"}
    bench.grammars.ask(2, "broken")
    assert bench.wait() == {2: "KeyError: 'oops'"}


def test_whoever_left_is_not_told(bench: Bench) -> None:
    bench.grammars.ask(1, "slow")
    bench.grammars.forget(1)
    bench.compiler.go.set()
    assert bench.wait() == {}


def test_one_that_takes_too_long_is_given_up_for_good(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.grammars.ask(0, "quick")
    assert list(bench.wait()) == [0]
    monkeypatch.setattr(grammars, "TIME_LIMIT", 0.0)
    bench.grammars.ask(1, "slow")
    assert bench.grammars.time_left == 0
    assert "seconds to compile" in dict(bench.grammars.done())[1]
    bench.compiler.go.set()
    assert bench.wait() == {}
    bench.grammars.ask(2, "slow")
    assert "seconds to compile" in dict(bench.grammars.done())[2]


def test_without_a_compiler_everybody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot() -> GrammarCompiler:
        raise ValueError("this tokenizer cannot be constrained")

    woken = threading.Semaphore(0)
    made = Grammars(cannot, woken.release)
    made.start()
    made.ask(1, "any")
    assert woken.acquire(timeout=60)
    assert dict(made.done()) == {1: "this tokenizer cannot be constrained"}
