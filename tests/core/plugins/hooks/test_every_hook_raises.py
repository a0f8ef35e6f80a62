"""A plugin that raises in every hook there is: each failure stays where its hook was called, and names the plugin."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

import pytest
from frameworkctl import hookspecs
from frameworkctl.errors import ConfigError
from frameworkctl.plugins.inspection import spec_names
from frameworkctl.server.calls.stages import Stages, plugin_error
from frameworkctl.server.observers import HOOKS as OBSERVATION
from frameworkctl.server.observers import Observers
from support.plugged.fake_dists import FakeDists, source
from support.plugged.plugin_host import make_call, make_host, record_of, registered

ALL = spec_names(hookspecs)
REGISTRATION = [n for n in ALL if n.startswith("register_")]
STAGES = ["parse_request", "render_prompt", "format_output", "filter_output"]
CREATION = [n for n in ALL if n.startswith("create_")]


def raising(*hooks: str) -> str:
    return source("\n".join(f"@hookimpl\ndef {h}():\n    raise ZeroDivisionError({h!r})" for h in hooks))


def test_these_are_all_the_hooks() -> None:
    assert sorted([*REGISTRATION, *STAGES, *CREATION, *OBSERVATION]) == sorted(ALL)


def test_the_registry_has_a_shelf_for_every_registration() -> None:
    assert sorted(REGISTRATION) == sorted(f"register_{kind}" for kind in make_host().registry.shelves())


@pytest.mark.parametrize("hook", REGISTRATION)
def test_registrations(hook: str, dists: FakeDists) -> None:
    text = source(f"@hookimpl\ndef {hook}(register):\n    raise ZeroDivisionError")
    dists.add("acme", {"plugins": {"bad": "acme.bad"}}, {"acme.bad": text})
    host = make_host("all")
    assert record_of(host, "acme.bad").error == "ZeroDivisionError: "
    assert list(registered(host)["policies"])  # the others are there
    with pytest.raises(ConfigError, match=r"plugin 'bad' of acme 1\.0 \(acme\.bad\) failed to load"):
        make_host("bad")


@pytest.mark.parametrize("hook", STAGES)
def test_stages(hook: str, dists: FakeDists) -> None:
    dists.add("acme", {"plugins": {"bad": "acme.bad"}}, {"acme.bad": raising(*STAGES, *CREATION, *OBSERVATION)})
    host = make_host("bad")
    stages: Any = Stages(host)
    call = make_call()
    run: dict[str, Callable[[], Any]] = {
        "parse_request": lambda: stages.parse(call),
        "render_prompt": lambda: stages.render("r", None, call),
        "format_output": lambda: stages.format("r", None, None, call),
        "filter_output": lambda: stages.filters("r", None, call),
    }
    with pytest.raises(ZeroDivisionError, match=hook) as caught:
        run[hook]()
    error = plugin_error(host, caught.value)
    assert (error.status, error.code) == (500, "plugin_error")
    assert "plugin 'bad' (acme 1.0 (acme.bad))" in error.message


@pytest.mark.parametrize("hook", CREATION)
def test_creation(hook: str, dists: FakeDists) -> None:
    dists.add("acme", {"plugins": {"bad": "acme.bad"}}, {"acme.bad": raising(*CREATION)})
    host = make_host("bad")
    arguments = dict.fromkeys(ALL[hook].parameters)
    with pytest.raises(ZeroDivisionError, match=hook) as caught:
        getattr(host.hooks, hook)(**arguments)
    record = host.blame(caught.value)
    assert record is not None
    assert record.label == "bad"


@pytest.mark.parametrize("hook", OBSERVATION)
def test_observation(hook: str, dists: FakeDists, caplog: pytest.LogCaptureFixture) -> None:
    text = source(f"@hookimpl\ndef {hook}(event):\n    raise ZeroDivisionError")
    dists.add("acme", {"plugins": {"bad": "acme.bad"}}, {"acme.bad": text})
    observers = Observers(make_host("bad,no:request-log"))
    with caplog.at_level(logging.ERROR, logger="frameworkctl.plugins"):
        observers.tell(hook, object())
        observers.close()
    [record] = caplog.records
    assert "acme.bad" in record.getMessage()
    assert record.exc_info is not None


def test_a_wrapper_around_an_observation_is_refused_or_run(dists: FakeDists) -> None:
    """Called as a plain function, a wrapper is a generator that nobody starts: the plugin would never hear anything."""
    text = source(
        """
        told = []

        @hookimpl(wrapper=True)
        def engine_started(event):
            told.append(event)
            return (yield)
        """
    )
    dists.add("acme", {"plugins": {"deaf": "acme.deaf"}}, {"acme.deaf": text})
    try:
        host = make_host("deaf")
    except ConfigError as e:
        assert "engine_started" in str(e)  # noqa: PT017
        return
    observers = Observers(host)
    observers.tell("engine_started", 1)
    observers.close()
    assert inspect.getmodule(host.hooks.engine_started.get_hookimpls()[0].function).told == [1]  # type: ignore[union-attr]
