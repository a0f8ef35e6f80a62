"""Installed plugins: entry points of the five groups, read from metadata without importing anything."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import importlib_metadata
import msgspec

from frameworkctl.version import VERSION

if TYPE_CHECKING:
    from packaging.requirements import Requirement

MODELS = "frameworkctl.models"
ENDPOINTS = "frameworkctl.endpoints"
BACKENDS = "frameworkctl.backends"
PLUGINS = "frameworkctl.plugins"
CHECKPOINTS = "frameworkctl.checkpoints"
GROUPS = (ENDPOINTS, MODELS, BACKENDS, CHECKPOINTS, PLUGINS)
DISTRIBUTION = "frameworkctl"

log = logging.getLogger("frameworkctl.plugins")


class Candidate(msgspec.Struct, frozen=True):
    """One object that entry points of one group name, once, however many names it has.

    ``problem`` says why it cannot be loaded here; ``missing_extra`` the extra that would bring what it needs.
    """

    group: str
    names: tuple[str, ...]
    value: str
    distribution: str
    version: str
    builtin: bool
    problem: str | None = None
    missing_extra: str | None = None


def normalize(name: str) -> str:
    """Return a distribution's name as packaging compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def discover() -> list[Candidate]:
    """Return everything installed that names a group of ours; built-ins first, then by distribution name."""
    candidates = []
    seen: set[str] = set()
    found_dists: Any = importlib_metadata.distributions()
    for dist in found_dists:
        try:
            name = normalize(_header(dist, "Name"))
            if name in seen:
                continue  # shadowed by one that comes earlier on the path
            found = _of_distribution(name, dist)
        except Exception as e:  # noqa: BLE001  whatever is broken in one distribution must not hide the others
            log.warning("the metadata of %s cannot be read: %s: %s", _where(dist), type(e).__name__, e)
            continue
        seen.add(name)
        candidates += found
    return sorted(candidates, key=lambda c: (not c.builtin, c.distribution, GROUPS.index(c.group), c.names))


def _of_distribution(name: str, dist: importlib_metadata.Distribution) -> list[Candidate]:
    by_object: dict[tuple[str, str], list[importlib_metadata.EntryPoint]] = {}
    for entry in dist.entry_points:
        if entry.group in GROUPS:
            by_object.setdefault((entry.group, entry.value.partition("[")[0].strip()), []).append(entry)
    if not by_object:
        return []
    version = _header(dist, "Version")
    return [_candidate(group, name, version, value, entries, dist) for (group, value), entries in by_object.items()]


def _header(dist: importlib_metadata.Distribution, name: str) -> str:
    """Return the whole metadata of a hundred installed packages take a third of a second to parse."""
    text = dist.read_text("METADATA") or dist.read_text("PKG-INFO") or ""
    found = re.search(rf"^{name}:[ \t]*(\S+)", text, re.MULTILINE)
    return found[1] if found else str(dist.metadata[name])


def _where(dist: importlib_metadata.Distribution) -> str:
    return str(getattr(dist, "_path", "a distribution"))


def _candidate(
    group: str,
    dist_name: str,
    version: str,
    value: str,
    entries: list[importlib_metadata.EntryPoint],
    dist: importlib_metadata.Distribution,
) -> Candidate:
    builtin = dist_name == DISTRIBUTION
    missing = next((extra for e in entries for extra in e.extras if not _extra_installed(dist, extra)), None)
    return Candidate(
        group=group,
        names=tuple(sorted(e.name for e in entries)),
        value=value,
        distribution=dist_name,
        version=version,
        builtin=builtin,
        problem=None if builtin else _version_problem(dist),
        missing_extra=missing,
    )


def _requirements(dist: importlib_metadata.Distribution) -> list[Requirement]:
    from packaging.requirements import InvalidRequirement, Requirement

    out = []
    for line in dist.requires or ():
        try:
            out.append(Requirement(line))
        except InvalidRequirement:
            continue
    return out


def _extra_installed(dist: importlib_metadata.Distribution, extra: str) -> bool:
    for requirement in _requirements(dist):
        if requirement.marker is None or not requirement.marker.evaluate({"extra": extra}):
            continue
        if requirement.marker.evaluate({"extra": ""}):
            continue  # needed without the extra as well
        try:
            version = importlib_metadata.version(requirement.name)
        except importlib_metadata.PackageNotFoundError:
            return False
        if not requirement.specifier.contains(version, prereleases=True):
            return False
    return True


def _version_problem(dist: importlib_metadata.Distribution) -> str | None:
    """Return a plugin's own ``Requires-Dist: frameworkctl`` range, checked before its code runs."""
    for requirement in _requirements(dist):
        if normalize(requirement.name) != DISTRIBUTION:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if not requirement.specifier.contains(VERSION, prereleases=True):
            return f"needs {DISTRIBUTION}{requirement.specifier}, this is {VERSION}"
    return None


def stale_builtins() -> str | None:
    """Return a message if a source checkout's entry points differ from the installed ones, else None."""
    pyproject = Path(__file__).resolve().parents[3] / "pyproject.toml"
    if not pyproject.is_file():
        return None
    import tomllib

    project = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project", {})
    if project.get("name") != DISTRIBUTION:
        return None
    declared = {
        (group, name, value.partition("[")[0].strip())
        for group, entries in project.get("entry-points", {}).items()
        for name, value in entries.items()
    }
    installed = {(c.group, name, c.value) for c in discover() if c.distribution == DISTRIBUTION for name in c.names}
    if declared == installed:
        return None
    changed = sorted(name for _, name, _ in declared ^ installed)
    return f"built-in plugins changed since installation ({', '.join(changed[:5])}): reinstall: pip install -e ."
