"""Loading what is on: records, overriding, one object behind many names, files and dotted paths, lazy groups."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from frameworkctl.errors import ConfigError
from frameworkctl.plugins.discovery import BACKENDS, ENDPOINTS, MODELS
from frameworkctl.plugins.importing import load_class
from support.plugged.fake_dists import FakeDists, endpoint, model, policy, source
from support.plugged.plugin_host import make_host, record_of
from support.serving.programs import python

OUR_POLICIES = r"policy fcfs of frameworkctl \S+ \(frameworkctl\.scheduling\.policies\)"
COUNTING = """
import builtins
builtins.loads = getattr(builtins, "loads", []) + [__name__]
"""


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the modules that were imported and count themselves."""
    import builtins

    monkeypatch.setattr(builtins, "loads", [], raising=False)
    return builtins  # type: ignore[return-value]


def test_the_record_of_a_loaded_plugin(dists: FakeDists) -> None:
    text = endpoint("ring") + "\n\n@hookimpl\ndef request_finished(event): ...\n"
    dists.add("acme-ring", {"endpoints": {"ring": "acme.ring"}}, {"acme.ring": text}, version="3.1")
    assert record_of(make_host(eager=False), "acme.ring").state == "off"
    host = make_host("ring", eager=False)
    record = record_of(host, "acme.ring")
    assert (record.state, record.load_ms, record.file, record.hooks) == ("available", None, None, [])
    host.load_eager()
    assert (record.group, record.names, record.distribution, record.version) == (
        ENDPOINTS,
        ("ring",),
        "acme-ring",
        "3.1",
    )
    assert (record.state, record.builtin, record.named, record.error) == ("loaded", False, True, None)
    assert record.hooks == ["register_endpoints", "request_finished"]
    assert record.registered == ["endpoint ring"]
    assert record.overrides == []
    assert record.file == str(dists.root / "acme" / "ring.py")
    assert record.sha256 is None
    assert record.load_ms is not None
    assert record.load_ms > 0
    assert host.registry.endpoints["ring"].plugin is record


def test_what_is_off_is_neither_imported_nor_registered(dists: FakeDists) -> None:
    dists.add("acme", {"plugins": {"bad": "acme.bad"}}, {"acme.bad": "raise RuntimeError('imported')"})
    host = make_host()
    host.load_everything()
    assert record_of(host, "acme.bad").state == "off"


def test_a_single_file(dists: FakeDists) -> None:
    path = dists.file("my-policy.py", policy("mine"))
    host = make_host(str(path))
    record = record_of(host, str(path))
    assert (record.state, record.named, record.distribution, record.version) == ("loaded", True, None, None)
    assert record.file == str(path)
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record.registered == ["policy mine"]
    # What it defines can be found again by the name that the spec gives.
    assert load_class(host.registry.policies["mine"].spec.implementation).__name__ == "Mine"


def test_two_files_of_one_name(dists: FakeDists) -> None:
    (dists.root / "sub").mkdir()
    one, two = dists.file("plugin.py", policy("one")), dists.file("sub/plugin.py", policy("two"))
    assert {"one", "two"} <= set(make_host(f"{one},{two}").registry.policies)


def test_a_dotted_path_to_a_module_and_to_an_object(dists: FakeDists) -> None:
    text = source(
        """
        class Plugin:
            def __init__(self, name):
                self.name = name

            @property
            def unrelated(self):
                raise RuntimeError("nobody should look here")

            @hookimpl
            def register_policies(self, register):
                register(PolicySpec(name=self.name, implementation="x:Y"))

        plugin = Plugin("by-object")
        """
    )
    dists.add("acme", {}, {"acme.module": policy("by-module"), "acme.object": text})
    host = make_host("acme.module,acme.object:plugin")
    assert {"by-module", "by-object"} <= set(host.registry.policies)
    assert record_of(host, "acme.object:plugin").file == str(dists.root / "acme" / "object.py")


class TestOverriding:
    """Replacing what another registered takes ``override=True`` and shows in the record."""

    def test_a_builtin(self, dists: FakeDists) -> None:
        dists.add("acme", {"plugins": {"mine": "acme.mine"}}, {"acme.mine": policy("fcfs", override=True)})
        host = make_host("mine")
        record = record_of(host, "acme.mine")
        assert host.registry.policies["fcfs"].plugin is record
        assert len(record.overrides) == 1
        assert re.fullmatch(OUR_POLICIES, record.overrides[0])
        assert record.registered == ["policy fcfs"]

    def test_the_routes_of_a_family_go_with_it(self, dists: FakeDists) -> None:
        text = endpoint("models", "/v1/models").replace("(Sample)", "(Sample, override=True)")
        dists.add("acme", {"endpoints": {"mine": "acme.mine"}}, {"acme.mine": text})
        host = make_host("mine")
        assert host.registry.endpoints["models"].plugin is record_of(host, "acme.mine")

    def test_but_not_those_of_another_family(self, dists: FakeDists) -> None:
        text = endpoint("models", "/health").replace("(Sample)", "(Sample, override=True)")
        dists.add("acme", {"endpoints": {"mine": "acme.mine"}}, {"acme.mine": text})
        with pytest.raises(ConfigError, match="already answered by 'service'"):
            make_host("mine")

    def test_two_strangers(self, dists: FakeDists) -> None:
        dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": policy("shared")})
        dists.add("beta", {"plugins": {"b": "beta.b"}}, {"beta.b": policy("shared", override=True)})
        host = make_host("a,b")
        assert host.registry.policies["shared"].plugin.value == "beta.b"
        assert record_of(host, "beta.b").overrides == ["policy shared of acme 1.0 (acme.a)"]

    def test_a_lazy_model_replaced_by_another_distribution(self, dists: FakeDists) -> None:
        theirs = {"acme.m": model("LlamaForCausalLM", override=True)}
        dists.add("acme", {"models": {"LlamaForCausalLM": "acme.m"}}, theirs)
        host = make_host()
        host.load_named(MODELS, "LlamaForCausalLM")
        assert host.registry.models["LlamaForCausalLM"].plugin.value == "acme.m"
        assert host.registry.models["Qwen2ForCausalLM"].plugin.builtin
        assert len(record_of(host, "acme.m").overrides) == 1

    def test_a_lazy_model_replaced_by_a_plugin_that_is_loaded_before_it(self, dists: FakeDists) -> None:
        """A file is loaded at start-up, built-in models when asked for: the override must hold all the same."""
        path = dists.file("mine.py", model("LlamaForCausalLM", override=True))
        host = make_host(str(path))
        host.load_named(MODELS, "LlamaForCausalLM")
        assert host.registry.models["LlamaForCausalLM"].plugin.value == str(path)
        assert host.registry.models["Qwen2ForCausalLM"].plugin.builtin

    def test_a_lazy_backend_replaced_by_a_plugin_that_is_loaded_before_it(self, dists: FakeDists) -> None:
        text = source(
            """
            from frameworkctl_kernels.protocol import BackendSpec

            @hookimpl
            def register_backends(register):
                register(BackendSpec(name="reference", implementation="x:Y", devices=("cpu",)), override=True)
            """
        )
        path = dists.file("mine.py", text)
        host = make_host(str(path))
        host.load_named(BACKENDS, "reference")
        assert host.registry.backends["reference"].plugin.value == str(path)


def test_routes_that_differ_only_in_a_parameters_name_are_the_same_route(dists: FakeDists) -> None:
    dists.add("acme", {"endpoints": {"mine": "acme.mine"}}, {"acme.mine": endpoint("mine", "/v1/models/{name:path}")})
    with pytest.raises(ConfigError, match="already answered by 'models'"):
        make_host("mine")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_routes_that_the_server_answers_itself_are_taken(dists: FakeDists, path: str) -> None:
    """Else the plugin loads, and the server dies of it while it puts its routes together."""
    dists.add("acme", {"endpoints": {"mine": "acme.mine"}}, {"acme.mine": endpoint("mine", path)})
    with pytest.raises(ConfigError, match=path):
        make_host("mine")


class TestOnce:
    """One object behind many names is imported, and its hooks are called, once."""

    def test_many_names_in_one_group(self, dists: FakeDists, loads: Any) -> None:
        names = {f"Acme{i}ForCausalLM": "acme.m" for i in range(3)}
        dists.add("acme", {"models": names}, {"acme.m": COUNTING + model(*names)})
        host = make_host()
        for name in names:
            host.load_named(MODELS, name)
        assert loads.loads == ["acme.m"]
        assert len(host.registry.models) == 3
        assert record_of(host, "acme.m").names == tuple(names)

    def test_many_groups(self, dists: FakeDists) -> None:
        """An endpoint that brings an option: one module that is named in two groups."""
        text = (
            endpoint("ring") + "\n\n@hookimpl\ndef register_options(register):\n    register(OptionSpec(name='tone'))\n"
        )
        dists.add("acme", {"endpoints": {"ring": "acme.ring"}, "plugins": {"tone": "acme.ring"}}, {"acme.ring": text})
        host = make_host("acme")
        assert "ring" in host.registry.endpoints
        assert "tone" in host.registry.options
        assert {r.state for r in host.records if r.value == "acme.ring"} == {"loaded"}

    def test_a_file_that_is_named_twice(self, dists: FakeDists) -> None:
        path = dists.file("mine.py", policy("mine"))
        host = make_host(f"{path},{path}")
        assert host.registry.policies["mine"].plugin.value == str(path)

    def test_a_module_named_by_name_and_by_path(self, dists: FakeDists) -> None:
        dists.add("acme", {"plugins": {"mine": "acme.mine"}}, {"acme.mine": policy("mine")})
        assert "mine" in make_host("mine,acme.mine").registry.policies


class TestLazy:
    """Models and backends are imported when asked for by name, not before."""

    def test_models(self, dists: FakeDists) -> None:
        modules = {"acme.a": model("AForCausalLM"), "acme.b": model("BForCausalLM")}
        dists.add("acme", {"models": {"AForCausalLM": "acme.a", "BForCausalLM": "acme.b"}}, modules)
        code = """
        import sys
        from frameworkctl.plugins import PluginHost, discover, select
        from frameworkctl.plugins.discovery import MODELS
        host = PluginHost.from_selection(select(discover(), []))
        host.load_eager()
        seen = lambda: sorted(m for m in sys.modules if m.startswith(("acme.", "frameworkctl_models")))
        print(seen(), "AForCausalLM" in host.names(MODELS), sorted(host.registry.models))
        host.load_named(MODELS, "AForCausalLM")
        print(seen(), sorted(host.registry.models))
        host.load_named(MODELS, "NobodysForCausalLM")
        print(seen())
        """
        lines = python(code, paths=[dists.root]).stdout.splitlines()
        assert lines == ["[] True []", "['acme.a'] ['AForCausalLM']", "['acme.a']"]

    def test_backends(self, dists: FakeDists) -> None:
        dists.add("acme", {"backends": {"fast": "acme.fast"}}, {"acme.fast": "raise RuntimeError('imported')"})
        host = make_host()
        host.load_named(BACKENDS, "reference")
        assert "fast" in host.names(BACKENDS)
        assert record_of(host, "acme.fast").state == "available"
        host.load_named(BACKENDS, "fast")
        assert record_of(host, "acme.fast").state == "failed"
        assert "fast" not in host.names(BACKENDS)
        assert "reference" in host.registry.backends
