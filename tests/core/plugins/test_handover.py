"""The server's plugins in another process: exactly the same ones, or a refusal."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from frameworkctl.errors import ConfigError
from frameworkctl.plugins import LoadedPlugin, PluginHost
from frameworkctl.plugins.discovery import BACKENDS, MODELS
from support.plugged.fake_dists import FakeDists, policy
from support.plugged.plugin_host import make_host
from support.serving.programs import python


def handed_over(host: PluginHost) -> list[LoadedPlugin]:
    """Through the message that an engine gets."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(host.loaded()), type=list[LoadedPlugin])


def only(host: PluginHost, value: str) -> list[LoadedPlugin]:
    return [p for p in handed_over(host) if p.value == value]


def test_the_same_plugins_in_a_fresh_process(dists: FakeDists, tmp_path: Path) -> None:
    dists.add("acme", {"plugins": {"a": "acme.a", "off": "acme.off"}}, {"acme.a": policy("a"), "acme.off": "1 / 0"})
    path = dists.file("mine.py", policy("mine"))
    host = make_host(f"{path},a")
    host.load_named(MODELS, "LlamaForCausalLM")
    host.load_named(BACKENDS, "reference")
    (tmp_path / "loaded").write_bytes(msgspec.msgpack.encode(host.loaded()))
    code = f"""
    import msgspec
    from pathlib import Path
    from frameworkctl.plugins import LoadedPlugin, PluginHost
    from frameworkctl.plugins.importing import load_class
    raw = Path({str(tmp_path / "loaded")!r}).read_bytes()
    host = PluginHost.from_loaded(msgspec.msgpack.decode(raw, type=list[LoadedPlugin]))
    for kind, shelf in host.registry.shelves().items():
        print(kind, *sorted(shelf))
    print(*[r.value for r in host.records if r.state == "loaded"])
    print(load_class(host.registry.policies["mine"].spec.implementation).__name__)
    """
    lines = python(code, paths=[dists.root]).stdout.splitlines()
    expected = [" ".join([kind, *sorted(shelf)]) for kind, shelf in host.registry.shelves().items()]
    assert lines[:-2] == expected
    assert lines[-2].split() == [p.value for p in host.loaded()]
    assert lines[-1] == "Mine"


def test_only_what_was_loaded_is_handed_over(dists: FakeDists) -> None:
    dists.add(
        "acme",
        {"plugins": {"bad": "acme.bad", "good": "acme.good"}, "models": {"AForCausalLM": "acme.m"}},
        {"acme.bad": "1 / 0", "acme.good": policy("good"), "acme.m": ""},
    )
    values = [p.value for p in make_host("all").loaded()]
    assert "acme.good" in values
    assert not {"acme.bad", "acme.m"} & set(values)


def test_a_file_that_changed(dists: FakeDists) -> None:
    path = dists.file("mine.py", policy("mine"))
    loaded = only(make_host(str(path)), str(path))
    assert PluginHost.from_loaded(loaded).records[0].sha256 == loaded[0].sha256
    path.write_text(policy("mine") + "# changed\n")
    with pytest.raises(ConfigError, match="changed since the server loaded it: restart the server"):
        PluginHost.from_loaded(loaded)


def test_a_module_that_is_found_elsewhere(dists: FakeDists) -> None:
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": policy("a")})
    [loaded] = only(make_host("a"), "acme.a")
    moved = msgspec.structs.replace(loaded, file=str(dists.root / "elsewhere" / "a.py"))
    with pytest.raises(ConfigError, match=r"plugin acme 1\.0 \(acme\.a\) changed since the server loaded it"):
        PluginHost.from_loaded([moved])


def test_a_distribution_of_another_version(dists: FakeDists) -> None:
    """Installed anew between the start of the server and that of an engine: same file, other code."""
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": policy("a")}, version="2.0")
    [loaded] = only(make_host("a"), "acme.a")
    older = msgspec.structs.replace(loaded, version="1.0")
    with pytest.raises(ConfigError, match="changed since the server loaded it"):
        PluginHost.from_loaded([older])


def test_a_module_that_is_gone(dists: FakeDists) -> None:
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": policy("a")})
    [loaded] = only(make_host("a"), "acme.a")
    with pytest.raises(ConfigError, match=r"failed to load: ModuleNotFoundError"):
        PluginHost.from_loaded([msgspec.structs.replace(loaded, value="acme.gone")])


def test_a_failure_is_fatal_whoever_it_is(dists: FakeDists) -> None:
    dists.add("acme", {"plugins": {"a": "acme.a"}}, {"acme.a": policy("fcfs", override=True)})
    loaded = handed_over(make_host("a"))
    again = PluginHost.from_loaded(loaded)
    assert again.registry.policies["fcfs"].plugin.value == "acme.a"
    with pytest.raises(ConfigError, match="already registered"):
        PluginHost.from_loaded([*only(make_host(), "frameworkctl.scheduling.policies"), twice(loaded)])


def twice(loaded: list[LoadedPlugin]) -> LoadedPlugin:
    """The last plugin, as if another module registered the same without overriding."""
    [plugin] = [p for p in loaded if p.value == "acme.a"]
    file = Path(plugin.file or "")
    other = file.with_name("b.py")
    other.write_text(policy("fcfs"))
    return msgspec.structs.replace(plugin, value="acme.b", file=str(other))
