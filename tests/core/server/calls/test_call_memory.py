"""A call that has ended leaves nothing for the garbage collector: a decoded request may take tens of megabytes."""

from __future__ import annotations

import gc
import itertools
import time
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from frameworkctl.interfaces import Call, Output, OutputFilter
from frameworkctl.server.calls.scope import CallScope
from frameworkctl.server.filters.call_filters import Guard


class Request:
    """Stands for a decoded body."""


class Knows(OutputFilter):
    """Keeps what it is made for, as a plugin's filter may."""

    def __init__(self, request: Any, call: Call) -> None:
        self.request, self.call = request, call

    def process(self, output: Output) -> Output:
        return output


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def scope_of_a_call() -> CallScope:
    def filters(request: Any, model: Any, call: Call) -> list[OutputFilter]:
        return [Knows(request, call)]

    info = SimpleNamespace(tasks=frozenset({"generate"}))
    model = SimpleNamespace(name="m", info=info, tokenizer=SimpleNamespace(vocabulary=None))
    service: Any = SimpleNamespace(
        call_numbers=itertools.count(), stages=SimpleNamespace(filters=filters), model=lambda name, tasks: model
    )
    nothing: Any = None
    call = Call(
        endpoint=nothing,
        route=nothing,
        method="POST",
        path="/",
        path_params={},
        query={},
        headers={},
        body=b"",
        request_id="",
        received=time.monotonic(),
    )
    return CallScope(call, service)


@pytest.mark.parametrize("used", [True, False], ids=["filtered", "refused before"])
@pytest.mark.usefixtures("no_collector")
def test_a_request_goes_with_its_call(used: bool) -> None:
    scope = scope_of_a_call()
    scope.model(None, frozenset())
    scope.request = Request()
    gone = weakref.ref(scope.request)
    assert scope.pipeline is not None
    assert not used or len(scope.guard(scope.service.model(None, frozenset())).filters) == 1
    scope.close()
    del scope
    assert gone() is None


def test_nothing_passes_the_filters_of_a_call_that_has_ended() -> None:
    scope = scope_of_a_call()
    guard = scope.guard(scope.model(None, frozenset()))
    assert isinstance(guard, Guard)
    assert guard.filters
    scope.close()
    for closed in (guard, guard.apart()):
        with pytest.raises(RuntimeError, match="has ended"):
            closed.text("a secret")
