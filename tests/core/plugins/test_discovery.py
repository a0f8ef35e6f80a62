"""What is installed is known from metadata alone, in an order of its own, whatever is broken beside it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from frameworkctl import __version__
from frameworkctl.plugins import Candidate, discover, discovery
from support.plugged.fake_dists import FakeDists, endpoint, installed, policy


def of(*distributions: str) -> list[Candidate]:
    return [c for c in discover() if c.distribution in distributions]


def test_all_groups_are_found_without_importing_anything(dists: FakeDists) -> None:
    dists.add(
        "acme",
        {
            "endpoints": {"ring": "acme.a"},
            "models": {"AcmeForCausalLM": "acme.b"},
            "backends": {"fast": "acme.c"},
            "checkpoints": {"tiny": "acme.d"},
            "plugins": {"log": "acme.e:plugin"},
        },
        {f"acme.{m}": "raise RuntimeError('imported')" for m in "abcde"},
        version="2.5",
    )
    found = of("acme")
    assert [(c.group.removeprefix("frameworkctl."), c.names, c.value) for c in found] == [
        ("endpoints", ("ring",), "acme.a"),
        ("models", ("AcmeForCausalLM",), "acme.b"),
        ("backends", ("fast",), "acme.c"),
        ("checkpoints", ("tiny",), "acme.d"),
        ("plugins", ("log",), "acme.e:plugin"),
    ]
    assert {(c.version, c.builtin, c.problem, c.missing_extra) for c in found} == {("2.5", False, None, None)}
    assert not [m for m in sys.modules if m.startswith("acme")]


def test_one_object_behind_many_names_is_one_candidate(dists: FakeDists) -> None:
    dists.add("acme", {"models": {"B": "acme.m", "A": "acme.m", "C": "acme.other"}}, {"acme.m": "", "acme.other": ""})
    assert [(c.names, c.value) for c in of("acme")] == [(("A", "B"), "acme.m"), (("C",), "acme.other")]


def test_builtins_come_first_then_distributions_by_name_not_by_place(dists: FakeDists) -> None:
    for name in ("zeta", "alpha", "Mid_dle"):
        dists.add(name, {"plugins": {"p": f"{name.lower()}.p"}}, {})
    order = [(c.builtin, c.distribution) for c in discover()]
    builtin = [b for b, _ in order]
    assert builtin == sorted(builtin, reverse=True)
    assert any(builtin)
    strangers = [d for b, d in order if not b]
    assert strangers == sorted(strangers)
    assert {"zeta", "alpha", "mid-dle"} <= set(strangers)


def test_the_first_on_the_path_hides_another_of_the_same_name(
    dists: FakeDists, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dists.add("acme", {"plugins": {"old": "acme.p"}}, {})
    with installed(tmp_path / "nearer", monkeypatch) as nearer:
        nearer.add("acme", {"plugins": {"new": "acme.p"}}, {}, version="2.0")
        assert [(c.names, c.version) for c in of("acme")] == [(("new",), "2.0")]


@pytest.mark.parametrize(
    ("requires", "problem"),
    [
        ([f"frameworkctl>={__version__}"], None),
        (["frameworkctl"], None),
        (["frameworkctl>=999"], f"needs frameworkctl>=999, this is {__version__}"),
        (["Frameworkctl<0.0.1"], f"needs frameworkctl<0.0.1, this is {__version__}"),
        (['frameworkctl>=999; python_version < "3"'], None),
        (['frameworkctl>=999; extra == "later"'], None),
        (["not a requirement at all !!", "frameworkctl>=999"], f"needs frameworkctl>=999, this is {__version__}"),
        (["something-else>=999"], None),
    ],
)
def test_the_range_a_plugin_requires_of_us(dists: FakeDists, requires: list[str], problem: str | None) -> None:
    dists.add("acme", {"plugins": {"p": "acme.p"}}, {"acme.p": policy("x")}, requires=requires)
    assert [c.problem for c in of("acme")] == [problem]


@pytest.mark.parametrize(
    ("requires", "missing"),
    [
        (['acme-sound>=1; extra == "audio"'], "audio"),
        (['packaging; extra == "audio"'], None),
        (['packaging>=9999; extra == "audio"'], "audio"),
        (['acme-sound; extra == "other"'], None),
        (["acme-sound"], None),  # a dependency of its own is not the extra's fault
        (['acme-sound; python_version >= "3"'], None),
        (['acme-sound; extra == "audio" and python_version < "3"'], None),
        ([], None),
    ],
)
def test_a_missing_extra_is_seen_before_import(dists: FakeDists, requires: list[str], missing: str | None) -> None:
    dists.add("acme", {"endpoints": {"talk": "acme.p [audio]"}}, {}, requires=requires, extras=["audio", "other"])
    assert [(c.value, c.missing_extra) for c in of("acme")] == [("acme.p", missing)]


def test_an_extra_is_there_once_what_it_needs_is_installed(dists: FakeDists) -> None:
    requires = ['acme-sound>=1,<2; extra == "audio"']
    dists.add("acme", {"endpoints": {"talk": "acme.p[audio]"}}, {}, requires=requires, extras=["audio"])
    dists.add("acme-sound", {}, {}, version="1.5rc1")
    assert [c.missing_extra for c in of("acme")] == [None]


@pytest.mark.parametrize(
    ("metadata", "entries"),
    [
        (None, "[frameworkctl.plugins]\nx = y\n"),
        ("Metadata-Version: 2.1\n", "[frameworkctl.plugins]\nx = y\n"),
        ("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n", "[frameworkctl.plugins]\nnot an entry point\n"),
        ("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n", "[frameworkctl.plugins]\nx = not a value\n"),
        ("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n", "[console_scripts]\nnot an entry point\n"),
    ],
    ids=["no METADATA", "no name", "no equals sign", "no module", "another group's"],
)
def test_a_broken_distribution_hides_nobody_else(dists: FakeDists, metadata: str | None, entries: str) -> None:
    """Isolation begins with metadata: one half-removed package must not keep the program from starting."""
    dists.add("acme", {"endpoints": {"ring": "acme.p"}}, {"acme.p": endpoint("ring")})
    info = dists.root / "bad-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text(entries)
    if metadata is not None:
        (info / "METADATA").write_text(metadata)
    importlib.invalidate_caches()
    assert [c.names for c in of("acme")] == [("ring",)]
    assert any(c.builtin for c in discover())


class TestStale:
    """A source checkout whose entry points changed since it was installed says so."""

    def checkout(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
        monkeypatch.setattr(discovery, "__file__", str(tmp_path / "core" / "frameworkctl" / "plugins" / "discovery.py"))
        if text is not None:
            (tmp_path / "pyproject.toml").write_text(text)

    def declared(self) -> str:
        lines = ["[project]", 'name = "frameworkctl"']
        for group in discovery.GROUPS:
            lines.append(f'[project.entry-points."{group}"]')
            lines += [f'"{n}" = "{c.value}"' for c in discover() if c.builtin and c.group == group for n in c.names]
        return "\n".join(lines)

    def test_nothing_to_say(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.checkout(tmp_path, monkeypatch, None)
        assert discovery.stale_builtins() is None
        self.checkout(tmp_path, monkeypatch, self.declared())
        assert discovery.stale_builtins() is None
        self.checkout(tmp_path, monkeypatch, '[project]\nname = "somebody-elses"\n')
        assert discovery.stale_builtins() is None

    def test_a_new_entry_point_and_one_that_moved(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        text = self.declared().replace("frameworkctl_endpoints.service", "frameworkctl_endpoints.elsewhere")
        self.checkout(tmp_path, monkeypatch, text + '\nbrand-new = "frameworkctl.new"\n')
        message = discovery.stale_builtins()
        assert message is not None
        assert "brand-new" in message
        assert "service" in message
        assert "pip install -e ." in message
