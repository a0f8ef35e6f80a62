"""Which plugin an exception is blamed on: the innermost frame that belongs to one."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from frameworkctl.errors import ConfigError
from frameworkctl.plugins import PluginHost
from frameworkctl.plugins.importing import load_class
from frameworkctl.server.calls.stages import plugin_error
from support.plugged.fake_dists import FakeDists, policy
from support.plugged.plugin_host import make_host

FAILING = "\n\ndef fail(call=None):\n    return call() if call else 1 / 0\n"


def raised_by(call: Callable[[], Any]) -> BaseException:
    try:
        call()
    except Exception as e:
        return e
    raise AssertionError("it should have raised")


def blamed(host: PluginHost, call: Callable[[], Any]) -> str | None:
    record = host.blame(raised_by(call))
    return None if record is None else record.label


def fail_of(module: str) -> Callable[..., Any]:
    fail: Callable[..., Any] = importlib.import_module(module).fail
    return fail


def test_the_plugins_own_module(dists: FakeDists) -> None:
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": policy("a") + FAILING})
    assert blamed(make_host("a"), fail_of("acme.a")) == "a"


def test_a_helper_module_of_its_package(dists: FakeDists) -> None:
    modules = {"acme.a": policy("a"), "acme.deep.helper": FAILING}
    dists.add("acme", {"plugins": {"a": "acme.a"}}, modules)
    assert blamed(make_host("a"), fail_of("acme.deep.helper")) == "a"


def test_a_library_that_the_plugin_called(dists: FakeDists) -> None:
    text = policy("a") + "\n\ndef fail():\n    import json\n    json.loads('{')\n"
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": text})
    assert blamed(make_host("a"), fail_of("acme.a")) == "a"


def test_the_innermost_of_two(dists: FakeDists) -> None:
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": policy("a") + FAILING})
    dists.add("beta", {"plugins": {"b": "beta.b"}}, {"beta.b": policy("b") + FAILING})
    host = make_host("a,b")
    outer, inner = fail_of("acme.a"), fail_of("beta.b")
    assert blamed(host, lambda: outer(inner)) == "b"
    assert blamed(host, lambda: inner(outer)) == "a"


def test_two_plugins_of_one_distribution(dists: FakeDists) -> None:
    modules = {"acme.a": policy("a") + FAILING, "acme.b": policy("b") + FAILING}
    dists.add("acme", {"plugins": {"a": "acme.a", "b": "acme.b"}}, modules)
    host = make_host("acme")
    assert blamed(host, fail_of("acme.b")) == "b"
    assert blamed(host, fail_of("acme.a")) == "a"


def test_a_package_whose_name_only_begins_alike(dists: FakeDists) -> None:
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": policy("a"), "acmeother.x": FAILING})
    assert blamed(make_host("a"), fail_of("acmeother.x")) is None


def test_a_file(dists: FakeDists) -> None:
    path = dists.file("mine.py", policy("a") + FAILING)
    host = make_host(str(path))
    module = load_class(host.registry.policies["a"].spec.implementation).__module__
    assert blamed(host, fail_of(module)) == str(path)


def test_core_is_nobody(dists: FakeDists) -> None:
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": policy("a")})
    assert blamed(make_host("a"), lambda: load_class("nonsense")) is None


def test_core_is_nobody_in_an_engine_either(dists: FakeDists) -> None:
    """The built-in plugins of core's own package must not take the blame for all of core."""
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": policy("a") + FAILING})
    engine = PluginHost.from_loaded(make_host("a").loaded())
    assert blamed(engine, fail_of("acme.a")) == "a"
    assert blamed(engine, lambda: load_class("nonsense")) is None


def test_the_reply_names_a_stranger(dists: FakeDists) -> None:
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": policy("a") + FAILING})
    host = make_host("a")
    error = plugin_error(host, as_exception(raised_by(fail_of("acme.a"))))
    assert error.status == 500
    assert error.code == "plugin_error"
    assert error.message == "The server failed in plugin 'a' (acme 1.0 (acme.a)): ZeroDivisionError."


def test_the_reply_says_nothing_of_our_own_modules() -> None:
    host = make_host()
    endpoint = host.registry.endpoints["chat"].spec()
    error = as_exception(raised_by(lambda: endpoint.render(None, None)))  # type: ignore[arg-type]
    record = host.blame(error)
    assert record is not None
    assert record.builtin
    reply = plugin_error(host, error)
    assert reply.code == "internal_error"
    assert "plugin" not in reply.message
    unrelated = plugin_error(host, ConfigError("somewhere else"))
    assert unrelated.code == "internal_error"


def as_exception(error: BaseException) -> Exception:
    assert isinstance(error, Exception)
    return error
