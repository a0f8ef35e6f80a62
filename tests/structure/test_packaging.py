"""Source roots, pyproject and entry points agree with the tree."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.plugins.discovery import BACKENDS, CHECKPOINTS, DISTRIBUTION, ENDPOINTS, GROUPS, MODELS
from frameworkctl.plugins.inspection import hook_names
from support.plugged.source_tree import PACKAGES, ROOT, pyproject, tracked

ENTRY_POINTS = [
    (group, name, value)
    for group, entries in pyproject()["project"].get("entry-points", {}).items()
    for name, value in entries.items()
]


@pytest.mark.parametrize("root", PACKAGES)
def test_a_root_holds_exactly_one_package(root: str) -> None:
    """A stray ``core/x.py`` would become the top-level module ``x`` of everybody's environment."""
    there = {p.name for p in (ROOT / root).iterdir() if not p.name.startswith(".") and p.name != "__pycache__"}
    assert there == {PACKAGES[root]}
    package = ROOT / root / PACKAGES[root]
    assert (package / "__init__.py").is_file()
    assert (package / "py.typed").is_file()
    for folder in {p.parent for p in package.rglob("*.py")}:
        assert (folder / "__init__.py").is_file(), f"{folder.relative_to(ROOT)} is no package"


def test_no_init_in_a_top_level_folder() -> None:
    """It would shadow other people's packages (``kernels`` is one) for whoever stands in the repository."""
    assert [p.relative_to(ROOT) for p in ROOT.glob("*/__init__.py")] == []
    assert not (ROOT / "__init__.py").exists()
    assert not (ROOT / "conftest.py").exists()


def test_pyproject_lists_the_roots_and_the_packages() -> None:
    build = pyproject()["tool"]["hatch"]["build"]
    assert sorted(build["dev-mode-dirs"]) == sorted(PACKAGES)
    assert "dev-mode-exact" not in build
    expected = sorted(f"{root}/{package}" for root, package in PACKAGES.items())
    assert sorted(build["targets"]["wheel"]["packages"]) == expected
    assert {f"/{root}" for root in PACKAGES} <= set(build["targets"]["sdist"]["include"])
    folders = {n.split("/")[0] for n in tracked("*.py") if "/" in n and not n.startswith(".")}
    assert folders - {"tests", "plugins", "docs"} == set(PACKAGES)


def test_the_version_is_said_once_or_alike() -> None:
    frameworkctl = importlib.import_module("frameworkctl")
    project = pyproject()["project"]
    assert "version" in project.get("dynamic", []) or project["version"] == frameworkctl.__version__
    assert project["name"] == DISTRIBUTION


def test_groups_are_known() -> None:
    assert {group for group, _, _ in ENTRY_POINTS} <= set(GROUPS)
    assert {ENDPOINTS, MODELS, BACKENDS} <= {group for group, _, _ in ENTRY_POINTS}


@pytest.mark.parametrize(("group", "name", "value"), ENTRY_POINTS)
def test_an_entry_point_leads_to_hooks_that_register_its_name(group: str, name: str, value: str) -> None:
    obj = resolve(value)
    assert hook_names(obj), f"{value} implements no hook"
    kind = group.rpartition(".")[2]
    if group in (ENDPOINTS, MODELS, BACKENDS, CHECKPOINTS):
        assert name in registered_by(obj, kind)


@pytest.mark.parametrize("group", [MODELS, BACKENDS])
def test_what_is_looked_up_by_name_has_an_entry_point_for_each(group: str) -> None:
    """The name of the entry point is how a lazy module is found."""
    mine = [(n, v) for g, n, v in ENTRY_POINTS if g == group]
    for value in {v for _, v in mine}:
        assert registered_by(resolve(value), group.rpartition(".")[2]) == {n for n, v in mine if v == value}


def test_console_scripts_exist() -> None:
    for value in pyproject()["project"]["scripts"].values():
        assert callable(resolve(value))


def test_extras_that_entry_points_need_are_declared() -> None:
    extras = set(pyproject()["project"].get("optional-dependencies", {}))
    needed = {e.strip() for _, _, v in ENTRY_POINTS if "[" in v for e in v.partition("[")[2].rstrip("]").split(",")}
    assert needed <= extras


def test_every_plugin_folder_is_a_distribution() -> None:
    folders = {Path(n).parts[1] for n in tracked("plugins") if len(Path(n).parts) > 2}
    for folder in folders:
        here = {Path(n).parts[2] for n in tracked(f"plugins/{folder}")}
        assert {"pyproject.toml", "README.md", "tests"} <= here, f"plugins/{folder} has {sorted(here)}"


def resolve(value: str) -> Any:
    """What an entry point names, without its extras."""
    module, _, attribute = value.partition("[")[0].strip().partition(":")
    assert importlib.util.find_spec(module) is not None, f"there is no module {module}"
    obj: Any = importlib.import_module(module)
    for part in attribute.split(".") if attribute else ():
        obj = getattr(obj, part)
    return obj


def registered_by(obj: Any, kind: str) -> set[str]:
    """Names under which a plugin registers things of a kind."""
    names: set[str] = set()

    def register(spec: Any, *, override: bool = False) -> None:
        attribute = {"models": "names", "endpoints": "family"}.get(kind, "name")
        found = getattr(spec, attribute)
        names.update([found] if isinstance(found, str) else found)

    getattr(obj, f"register_{kind}")(register)
    return names
