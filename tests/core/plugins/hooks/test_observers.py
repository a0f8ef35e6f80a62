"""Observers run on a thread of their own: slow or failing ones disturb neither the caller nor one another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from frameworkctl.interfaces import hookimpl
from frameworkctl.plugins import PluginHost
from frameworkctl.server import observers as module
from frameworkctl.server.observers import Observers

WAIT = 10.0  # seconds after which a thread counts as stuck


class Recorder:
    """Notes what it is told, and by which thread."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.threads: set[str] = set()

    @hookimpl
    def request_received(self, event: Any) -> None:
        self.threads.add(threading.current_thread().name)
        self.events.append(event)

    @hookimpl
    def engine_failed(self, event: Any) -> None:
        self.events.append(("failed", event))


class Faulty:
    """Raises whatever it was made with."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    @hookimpl
    def request_received(self, event: Any) -> None:
        raise self.error


class Blocked:
    """Holds the thread until it is let go."""

    def __init__(self) -> None:
        self.inside, self.go = threading.Event(), threading.Event()
        self.events: list[Any] = []

    @hookimpl
    def request_received(self, event: Any) -> None:
        self.inside.set()
        self.go.wait(60)
        self.events.append(event)


@pytest.fixture
def blocked() -> Iterator[Blocked]:
    plugin = Blocked()
    yield plugin
    plugin.go.set()


def observe(**plugins: Any) -> Observers:
    host = PluginHost()
    for name, plugin in plugins.items():
        host.manager.register(plugin, name=name)
    return Observers(host)


def test_everything_is_told_in_order_on_another_thread() -> None:
    recorder = Recorder()
    observers = observe(a=recorder)
    for i in range(1000):
        observers.tell("request_received", i)
    observers.tell("engine_failed", "x")
    observers.close()
    assert recorder.events == [*range(1000), ("failed", "x")]
    assert threading.current_thread().name not in recorder.threads
    assert observers.dropped == 0


def test_nobody_listens_no_thread() -> None:
    before = threading.active_count()
    observers = observe(a=Recorder())
    assert not observers.wanted("request_finished")
    assert observers.wanted("request_received")
    observers.tell("request_finished", 1)
    assert threading.active_count() == before
    observers.close()


@pytest.mark.parametrize("error", [ValueError("boom"), KeyError(), SystemExit(3)], ids=lambda e: type(e).__name__)
def test_one_that_raises_disturbs_no_other(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    earlier, later = Recorder(), Recorder()
    observers = observe(earlier=earlier, faulty=Faulty(error), later=later)
    with caplog.at_level(logging.ERROR, logger="frameworkctl.plugins"):
        for i in range(3):
            observers.tell("request_received", i)
        observers.close()
    assert earlier.events == [0, 1, 2]
    assert later.events == [0, 1, 2]
    assert [r.getMessage() for r in caplog.records] == ["request_received of faulty failed"] * 3


def test_a_slow_one_is_not_felt_and_loses_nothing(blocked: Blocked) -> None:
    recorder = Recorder()
    observers = observe(slow=blocked, a=recorder)
    observers.tell("request_received", 0)
    assert blocked.inside.wait(WAIT)
    for i in range(1, 100):
        observers.tell("request_received", i)  # returns although the thread is held
    assert blocked.events == []
    blocked.go.set()
    observers.close(WAIT)
    assert blocked.events == list(range(100))
    assert recorder.events == list(range(100))


def test_what_does_not_fit_is_dropped_and_counted(
    blocked: Blocked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 5)
    observers = observe(slow=blocked)
    observers.tell("request_received", "first")
    assert blocked.inside.wait(WAIT)
    with caplog.at_level(logging.WARNING, logger="frameworkctl.plugins"):
        for i in range(8):
            observers.tell("request_received", i)
    assert observers.dropped == 3
    assert [r.getMessage() for r in caplog.records] == ["observers cannot keep up; events are being dropped"]
    blocked.go.set()
    observers.close(WAIT)
    assert blocked.events == ["first", 0, 1, 2, 3, 4]


def test_closing_waits_no_longer_than_it_was_told(blocked: Blocked) -> None:
    observers = observe(slow=blocked)
    observers.tell("request_received", 0)
    assert blocked.inside.wait(WAIT)
    assert returns(lambda: observers.close(0.05))


def test_closing_ends_even_when_the_queue_is_full(blocked: Blocked, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stuck observer that has let the queue fill up must not keep the server from ending."""
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    observers = observe(slow=blocked)
    observers.tell("request_received", 0)
    assert blocked.inside.wait(WAIT)
    for i in range(4):
        observers.tell("request_received", i)
    assert returns(lambda: observers.close(0.05))


def test_closing_before_anything_was_told() -> None:
    observe(a=Recorder()).close()


class Modest:
    """Takes no argument, as pluggy allows of every hook."""

    def __init__(self) -> None:
        self.calls = 0

    @hookimpl
    def request_received(self) -> None:
        self.calls += 1


def test_an_implementation_may_leave_arguments_out() -> None:
    modest = Modest()
    observers = observe(a=modest)
    observers.tell("request_received", 0)
    observers.close()
    assert modest.calls == 1


def returns(call: Any) -> bool:
    """Whether a call comes to its end."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(2)
    return not thread.is_alive()
