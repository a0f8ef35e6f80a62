"""A plugin that fails is rolled back, reported and left out; the failure is fatal if it was named or is ours."""

from __future__ import annotations

import logging
import sys

import pytest
from frameworkctl.errors import ConfigError
from frameworkctl.plugins import Candidate, PluginHost, Selection
from frameworkctl.plugins.discovery import PLUGINS
from support.plugged.fake_dists import IMPORTS, FakeDists, endpoint, policy, source
from support.plugged.plugin_host import make_host, record_of, registered

HALF_WAY = source(
    """
    class Mine(Policy):
        pass

    class Replaced(Endpoint):
        family = "models"
        routes = (Route(method="GET", path="/v1/models"),)

    class Added(Endpoint):
        family = "added"
        routes = (Route(method="GET", path="/added"),)

    @hookimpl
    def register_endpoints(register):
        register(Replaced, override=True)
        register(Added)

    @hookimpl
    def register_policies(register):
        register(PolicySpec(name="mine", implementation="x:Y"))

    @hookimpl
    def register_commands(register):
        register(CommandSpec(name="mine", help="", run=lambda argv: 0))
        raise ValueError("half way")

    @hookimpl
    def parse_request(call):
        return "from a plugin that failed"

    @hookimpl
    def request_finished(event):
        pass
    """
)
FAILING = {
    "raises": ("raise RuntimeError('boom')", "RuntimeError: boom"),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "exits by sys.exit": ("import sys\nsys.exit('bye')", "SystemExit: bye"),
    "needs what is not there": ("import no_such_package_xyz", "ModuleNotFoundError: No module named 'no_such_package"),
    "does not parse": ("def broken(:", "SyntaxError: "),
    "has no hooks": (IMPORTS + "x = 1", "it implements no hook: mark functions with @hookimpl"),
    "misspelt hook": (
        source("@hookimpl\ndef register_endpoint(register): ..."),
        "there is no hook called 'register_endpoint'; did you mean 'register_endpoints'?",
    ),
    "invented hook": (source("@hookimpl\ndef zzz(): ..."), "there is no hook called 'zzz'"),
    "unknown argument": (
        source("@hookimpl\ndef parse_request(call, server): ..."),
        "hook 'parse_request' has no argument 'server'; it has call",
    ),
    "async": (source("@hookimpl\nasync def parse_request(call): ..."), "hook 'parse_request' must not be async"),
    "async generator": (
        source("@hookimpl(wrapper=True)\nasync def render_prompt(request):\n    yield"),
        "hook 'render_prompt' must not be async",
    ),
    "async registration": (
        source("@hookimpl\nasync def register_policies(register): ..."),
        "hook 'register_policies' must not be async",
    ),
    "wraps a registration": (
        source("@hookimpl(wrapper=True)\ndef register_policies(register):\n    return (yield)"),
        "hook 'register_policies' cannot be wrapped",
    ),
    "wraps a registration the old way": (
        source("@hookimpl(hookwrapper=True)\ndef register_policies(register):\n    yield"),
        "hook 'register_policies' cannot be wrapped",
    ),
    "fails half way": (HALF_WAY, "ValueError: half way"),
    "exits half way": (HALF_WAY.replace('ValueError("half way")', "SystemExit(4)"), "SystemExit: 4"),
    "takes a name of ours": (
        policy("fcfs"),
        "the policy 'fcfs' of acme 1.0 (acme.bad) is already registered by frameworkctl",
    ),
    "takes a route of ours": (
        endpoint("acme", "/health"),
        "the route GET /health of family 'acme' is already answered by 'service' of frameworkctl",
    ),
    "registers one name twice": (
        policy("twice") + '    register(PolicySpec(name="twice", implementation="x:Y"))\n',
        "the policy 'twice' of acme 1.0 (acme.bad) is already registered by acme 1.0 (acme.bad)",
    ),
    "made for another api": (
        policy("mine").replace(":Mine", ':Mine", api_version=2, uses_priority="'),
        "policy made for api_version 2, this is 1",
    ),
    "an endpoint made for another api": (
        endpoint("acme").replace("family =", "api_version = 0\n    family ="),
        "endpoint made for api_version 0, this is 1",
    ),
    "registers something else": (
        source("@hookimpl\ndef register_policies(register):\n    register('fast')"),
        "AttributeError: 'str' object has no attribute 'name'",
    ),
}


@pytest.fixture(params=FAILING, ids=lambda name: name.replace(" ", "-"))
def error(request: pytest.FixtureRequest, dists: FakeDists) -> str:
    """Two distributions: ``acme`` fails with this error, ``zeta``, which is loaded later, is well."""
    text, message = FAILING[request.param]
    dists.add("acme", {"plugins": {"bad": "acme.bad"}}, {"acme.bad": text})
    dists.add("zeta", {"plugins": {"good": "zeta.good"}}, {"zeta.good": policy("good")})
    return message


def test_left_out_and_reported_when_it_was_not_named(error: str, caplog: pytest.LogCaptureFixture) -> None:
    before = registered(make_host("all,no:bad"))
    with caplog.at_level(logging.WARNING, logger="frameworkctl.plugins"):
        host = make_host("all")
    record = record_of(host, "acme.bad")
    assert record.state == "failed"
    assert record.error is not None
    assert record.error.startswith(error)
    assert (record.registered, record.overrides) == ([], [])
    assert any("plugin 'bad' of acme 1.0 (acme.bad) failed to load" in line for line in caplog.messages)
    # Nothing of it is left behind, and what comes after it is loaded.
    assert list(registered(host)["policies"]) == list(before["policies"])
    assert list(registered(host)["endpoints"].items()) == list(before["endpoints"].items())
    assert list(registered(host)["commands"]) == list(before["commands"])
    assert "good" in host.registry.policies
    assert not host.manager.has_plugin(record.id)
    assert not host.hooks.parse_request.get_hookimpls()
    assert record.value not in [p.value for p in host.loaded()]


def test_fatal_when_it_was_named(error: str) -> None:
    host = make_host("bad", eager=False)
    with pytest.raises(ConfigError) as caught:
        host.load_eager()
    assert str(caught.value).startswith(f"plugin 'bad' of acme 1.0 (acme.bad) failed to load: {error}")
    assert record_of(host, "acme.bad").state == "failed"


def test_fatal_when_its_distribution_was_named(dists: FakeDists) -> None:
    dists.add("acme", {"plugins": {"bad": "acme.bad"}}, {"acme.bad": "1 / 0"})
    with pytest.raises(ConfigError, match="ZeroDivisionError"):
        make_host("acme")


def test_fatal_when_it_is_ours(dists: FakeDists) -> None:
    dists.file("ours.py", "raise RuntimeError('boom')")
    ours = Candidate(PLUGINS, ("ours",), "ours", "frameworkctl", "0.1.0", builtin=True)
    host = PluginHost.from_selection(Selection(on=[ours], off=[], named=[], paths=[]))
    with pytest.raises(ConfigError, match=r"plugin 'ours' of frameworkctl 0\.1\.0 \(ours\) failed to load: Runtime"):
        host.load_eager()


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("acme.nothing", "ModuleNotFoundError"),
        ("acme.good:Nothing", "AttributeError"),
        ("nowhere.at_all", "ModuleNot"),
    ],
)
def test_a_dotted_path_that_leads_nowhere_is_fatal(dists: FakeDists, word: str, error: str) -> None:
    dists.add("acme", {}, {"acme.good": policy("good")})
    with pytest.raises(ConfigError, match=error) as caught:
        make_host(word)
    assert word in str(caught.value)


def test_an_interrupt_is_not_swallowed(dists: FakeDists) -> None:
    dists.add("acme", {"plugins": {"slow": "acme.slow"}}, {"acme.slow": "raise KeyboardInterrupt"})
    host = make_host("all", eager=False)
    with pytest.raises(KeyboardInterrupt):
        host.load_eager()
    assert record_of(host, "acme.slow").state == "failed"


def test_what_failed_is_not_tried_again(dists: FakeDists) -> None:
    text = "import sys\nsys.tries = getattr(sys, 'tries', 0) + 1\nraise RuntimeError"
    dists.add("acme", {"plugins": {"bad": "acme.bad"}}, {"acme.bad": text})
    host = make_host("all", eager=False)
    try:
        host.load_eager()
        host.load_eager()
        host.load_everything()
        assert sys.tries == 1  # type: ignore[attr-defined]
    finally:
        del sys.tries  # type: ignore[attr-defined]


def test_a_failed_override_gives_the_replaced_back(dists: FakeDists) -> None:
    dists.add("acme", {"plugins": {"bad": "acme.bad"}}, {"acme.bad": HALF_WAY})
    host = make_host("all")
    assert host.registry.endpoints["models"].plugin.builtin
    assert "added" not in host.registry.endpoints
    assert host.registry.endpoints["models"].spec.__name__ == "ModelsEndpoint"


def test_a_failing_file(dists: FakeDists) -> None:
    path = dists.file("mine.py", "1 / 0")
    with pytest.raises(ConfigError, match="ZeroDivisionError") as caught:
        make_host(str(path))
    assert str(path) in str(caught.value)
    assert not [m for m in sys.modules if m.startswith("frameworkctl_file_mine")]


class TestUnavailable:
    """What lacks an extra or does not fit this version is never imported."""

    def add(self, dists: FakeDists, *requires: str, value: str = "acme.talk") -> None:
        boom = {"acme.talk": "raise RuntimeError('imported')"}
        dists.add("acme", {"plugins": {"talk": value}}, boom, requires=requires, extras=["audio"])

    def test_a_missing_extra_comes_with_the_command_that_brings_it(self, dists: FakeDists) -> None:
        self.add(dists, 'acme-sound; extra == "audio"', value="acme.talk[audio]")
        record = record_of(make_host("all"), "acme.talk")
        assert record.state == "unavailable"
        assert record.error == "pip install 'acme[audio]'"
        with pytest.raises(ConfigError, match=r"plugin 'talk' is unavailable: pip install 'acme\[audio\]'"):
            make_host("talk")

    def test_a_version_that_excludes_us(self, dists: FakeDists) -> None:
        self.add(dists, "frameworkctl>=999")
        record = record_of(make_host("all"), "acme.talk")
        assert record.state == "unavailable"
        assert record.error is not None
        assert record.error.startswith("needs frameworkctl>=999, this is ")
        with pytest.raises(ConfigError, match="plugin 'talk' is unavailable: needs frameworkctl>=999"):
            make_host("talk")
        assert record_of(make_host(), "acme.talk").state == "off"

    def test_it_counts_among_no_names(self, dists: FakeDists) -> None:
        self.add(dists, "frameworkctl>=999")
        assert "talk" not in make_host("all").names(PLUGINS)
