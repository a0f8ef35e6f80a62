"""What engines are made of: the registered implementation, unless a plugin makes or wraps another."""

from __future__ import annotations

from typing import Any

import pytest
from frameworkctl.engine.process import make_policy
from frameworkctl.errors import ConfigError
from frameworkctl.execution.backends import create_backend
from frameworkctl.execution.build import create_model
from frameworkctl.interfaces import ModelSpec
from frameworkctl.plugins import PluginHost
from frameworkctl.scheduling.policies import FirstComeFirstServed
from frameworkctl_kernels.protocol import BackendSpec
from support.plugged.fake_dists import FakeDists, source
from support.plugged.plugin_host import make_host

BACKEND = BackendSpec(name="any", implementation=f"{__name__}:None", devices=("cpu",))
MADE = """
class Thing:
    def __init__(self, *args):
        self.args = args

    def __eq__(self, other):
        return type(self) is type(other) and self.args == other.args
"""


@pytest.fixture
def made(dists: FakeDists) -> str:
    """``package.module:Class`` of something that remembers what it was made with."""
    dists.file("made.py", MADE)
    return "made:Thing"


def host_with(dists: FakeDists, text: str) -> PluginHost:
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": source(text)})
    return make_host("a")


def create(hook: str, host: PluginHost, implementation: str) -> Any:
    if hook == "create_backend":
        backend_spec = BackendSpec(name="x", implementation=implementation, devices=("cpu",))
        return host.with_default(hook, create_backend)(spec=backend_spec, device="cpu")
    if hook == "create_model":
        spec = ModelSpec(architectures=("X",), implementation=implementation, describe=lambda c: None)  # type: ignore[arg-type,return-value]
        return host.with_default(hook, create_model)(spec=spec, config={"a": 1}, ctx="ctx")
    host.registry.policies["fcfs"] = type(host.registry.policies["fcfs"])(
        policy_spec(implementation), host.registry.policies["fcfs"].plugin
    )
    return make_policy(host, "fcfs", {"option": 2})


def policy_spec(implementation: str) -> Any:
    from frameworkctl.interfaces import PolicySpec

    return PolicySpec(name="fcfs", implementation=implementation)


ARGUMENTS = {"create_backend": ("cpu",), "create_model": ({"a": 1}, "ctx"), "create_policy": ()}


@pytest.mark.parametrize("hook", ARGUMENTS)
class TestEach:
    def test_the_registered_one_by_default(self, hook: str, made: str) -> None:
        thing = create(hook, make_host(), made)
        assert (type(thing).__name__, thing.args) == ("Thing", ARGUMENTS[hook])

    def test_none_means_not_mine(self, hook: str, made: str, dists: FakeDists) -> None:
        host = host_with(dists, f"@hookimpl\ndef {hook}(): ...")
        assert create(hook, host, made).args == ARGUMENTS[hook]

    def test_another_in_its_place(self, hook: str, made: str, dists: FakeDists) -> None:
        host = host_with(dists, f"@hookimpl\ndef {hook}():\n    return 'another'")
        assert create(hook, host, made) == "another"

    def test_wrapped(self, hook: str, made: str, dists: FakeDists) -> None:
        """A wrapper gets what core would have made, as around the stages of a request."""
        host = host_with(dists, f"@hookimpl(wrapper=True)\ndef {hook}():\n    return ['wrapped', (yield)]")
        kind, inner = create(hook, host, made)
        assert kind == "wrapped"
        assert inner is not None, "the wrapper saw None instead of the registered one"
        assert inner.args == ARGUMENTS[hook]

    def test_what_it_raises_comes_through(self, hook: str, made: str, dists: FakeDists) -> None:
        host = host_with(dists, f"@hookimpl\ndef {hook}():\n    raise ConfigError('not on this machine')")
        with pytest.raises(ConfigError, match="not on this machine"):
            create(hook, host, made)


def test_the_default_policy_and_one_that_nobody_has() -> None:
    host = make_host()
    assert type(make_policy(host, "fcfs", {})) is FirstComeFirstServed
    with pytest.raises(ConfigError, match="--scheduling-policy: 'nobodys' is not one of fcfs"):
        make_policy(host, "nobodys", {})


def test_an_implementation_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"cannot import 'no\.such:Backend'"):
        create("create_backend", make_host(), "no.such:Backend")
    with pytest.raises(ConfigError, match="not of the form"):
        create("create_backend", make_host(), "no.such.Backend")
