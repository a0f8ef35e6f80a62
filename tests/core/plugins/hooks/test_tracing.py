"""``FRAMEWORKCTL_TRACE_HOOKS=1``: one line on stderr per hook call."""

from __future__ import annotations

import re
import threading

import pytest
from frameworkctl.errors import ConfigError
from frameworkctl.interfaces import hookimpl
from frameworkctl.plugins import PluginHost, tracing
from frameworkctl.server.calls.stages import Stages
from frameworkctl.server.observers import Observers
from support.plugged.fake_dists import FakeDists, policy, source
from support.plugged.plugin_host import make_call, make_host

LINE = re.compile(r"hook (\w+) \[(.*)\] (\d+\.\d+) ms(?: raised (.*))?")
STAGE = source(
    """
    @hookimpl
    def parse_request(call):
        if call.body == b"bad":
            raise ValueError("not mine")
        return "parsed"
    """
)


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tracing.VARIABLE, "1")


def lines(text: str) -> list[tuple[str, str, str, str | None]]:
    found = [LINE.fullmatch(line) for line in text.splitlines() if line.startswith("hook ")]
    return [(m[1], m[2], m[3], m[4]) for m in found if m]


@pytest.mark.usefixtures("traced")
def test_registrations(dists: FakeDists, capfd: pytest.CaptureFixture[str]) -> None:
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": policy("a")})
    make_host("a")
    calls = [(hook, who, error) for hook, who, _, error in lines(capfd.readouterr().err)]
    assert ("register_policies", "a", None) in calls
    assert ("register_endpoints", "chat", None) in calls


@pytest.mark.usefixtures("traced")
def test_a_registration_that_fails(dists: FakeDists, capfd: pytest.CaptureFixture[str]) -> None:
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": policy("fcfs")})
    with pytest.raises(ConfigError):
        make_host("a")
    [(_, who, _, error)] = [c for c in lines(capfd.readouterr().err) if c[3]]
    assert who == "a"
    assert (error or "").startswith("RegistrationError: the policy 'fcfs'")


@pytest.mark.usefixtures("traced")
def test_stages(dists: FakeDists, capfd: pytest.CaptureFixture[str]) -> None:
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": STAGE})
    stages = Stages(make_host("a"))
    capfd.readouterr()
    assert stages.parse(make_call()) == "parsed"
    with pytest.raises(ValueError, match="not mine"):
        stages.parse(make_call(b"bad"))
    first, second = lines(capfd.readouterr().err)
    assert (first[0], first[3]) == ("parse_request", None)
    assert "acme.a" in first[1]
    assert second[3] == "ValueError: not mine"


@pytest.mark.usefixtures("traced")
def test_observers(dists: FakeDists, capfd: pytest.CaptureFixture[str]) -> None:
    """They are called by core itself, one by one; the trace must not leave them out."""
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": source("@hookimpl\ndef engine_started(event): ...")})
    observers = Observers(make_host("a"))
    capfd.readouterr()
    observers.tell("engine_started", object())
    observers.close()
    calls = [(hook, "acme.a" in who) for hook, who, _, _ in lines(capfd.readouterr().err)]
    assert calls == [("engine_started", True)]


@pytest.mark.parametrize("value", [None, "", "0"])
def test_nothing_at_all_without_the_variable(
    value: str | None, dists: FakeDists, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is None:
        monkeypatch.delenv(tracing.VARIABLE, raising=False)
    else:
        monkeypatch.setenv(tracing.VARIABLE, value)
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": STAGE})
    Stages(make_host("a")).parse(make_call())
    assert lines(capfd.readouterr().err) == []


@pytest.mark.usefixtures("traced")
def test_each_thread_has_a_clock_of_its_own(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """``render_prompt`` runs in several worker threads at once; a call must not be timed by another's start."""
    clock = [0.0]
    monkeypatch.setattr("frameworkctl.plugins.tracing.time.perf_counter", lambda: clock[0])
    inside, leave = threading.Event(), threading.Event()
    host = PluginHost()

    def call(request: str) -> None:
        host.hooks.render_prompt(request=request, model=None, call=None)

    worker = threading.Thread(target=call, args=("long",))

    class Plugin:
        @hookimpl
        def render_prompt(self, request: str) -> str:
            if request == "long":
                inside.set()
                leave.wait(10)
                return request
            clock[0] = 7.0
            leave.set()
            worker.join(10)
            clock[0] = 8.0
            return request

    host.manager.register(Plugin(), name="plugin")
    worker.start()
    assert inside.wait(10)
    clock[0] = 5.0
    call("short")
    times = [float(ms) for _, _, ms, _ in lines(capfd.readouterr().err)]
    assert times == [7000.0, 3000.0]
