"""Selection of plugins: defaults, and the ``--plugins`` list that changes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from frameworkctl.errors import ConfigError
from frameworkctl.suggestions import did_you_mean

from .discovery import BACKENDS, CHECKPOINTS, ENDPOINTS, MODELS, PLUGINS, Candidate, normalize

ESSENTIAL = frozenset({(ENDPOINTS, "service"), (PLUGINS, "commands"), (PLUGINS, "policies"), (PLUGINS, "poolers")})
KEPT_BY_NONE = ESSENTIAL | {(PLUGINS, "llguidance")}  # the default of --structured-output, which another may replace
ON_WHEN_INSTALLED = frozenset({MODELS, BACKENDS, CHECKPOINTS})


class Selection(msgspec.Struct):
    """``on`` and ``off`` together are all candidates; ``named`` those of ``on`` that the user asked for by name.

    ``paths`` are dotted paths and ``./file.py`` plugins, in order.
    """

    on: list[Candidate]
    off: list[Candidate]
    named: list[Candidate]
    paths: list[str]


def split(values: Iterable[str] | str | None) -> list[str]:
    """Return ``["a,b", "no:c"]`` as ``["a", "b", "no:c"]``."""
    if values is None:
        return []
    items = [values] if isinstance(values, str) else list(values)
    return [word.strip() for item in items for word in item.split(",") if word.strip()]


def is_essential(candidate: Candidate) -> bool:
    """Return what no selection takes away: health and version routes, commands, the default policy, native models,
    backends.
    """
    return _is_among(candidate, ESSENTIAL)


def _is_among(candidate: Candidate, kept: frozenset[tuple[str, str]]) -> bool:
    if not candidate.builtin:
        return False
    return candidate.group in (MODELS, BACKENDS) or any((candidate.group, n) in kept for n in candidate.names)


def select(candidates: Sequence[Candidate], words: Sequence[str]) -> Selection:
    """Apply ``--plugins`` words to the defaults, left to right.

    Raises:
        ConfigError: a word names nothing installed, several things, or something that cannot be switched off.
    """
    on = {c: None for c in candidates if c.builtin or c.group in ON_WHEN_INSTALLED}
    named: dict[Candidate, None] = {}
    paths: list[str] = []
    for position, word in enumerate(words):
        if word == "none":
            if position:
                raise ConfigError("--plugins: 'none' must come first")
            on = {c: None for c in candidates if _is_among(c, KEPT_BY_NONE)}
        elif word == "all":
            on.update(dict.fromkeys(candidates))
        elif word.startswith("no:"):
            for candidate in _dropped(candidates, word[3:]):
                on.pop(candidate, None)
                named.pop(candidate, None)
        elif "/" in word or word.endswith(".py"):
            paths.append(_existing_file(word))
        else:
            chosen = _matching(candidates, word)
            if chosen is None:
                paths.append(word)  # a dotted path
                continue
            on.update(dict.fromkeys(chosen))
            named.update(dict.fromkeys(chosen))
    ordered = [c for c in candidates if c in on]
    return Selection(on=ordered, off=[c for c in candidates if c not in on], named=list(named), paths=paths)


def _existing_file(word: str) -> str:
    path = Path(word).expanduser()
    if not path.is_file():
        raise ConfigError(f"--plugins: there is no file {word!r}")
    return str(path.resolve())


def _dropped(candidates: Sequence[Candidate], word: str) -> list[Candidate]:
    chosen = _matching(candidates, word)
    if chosen is None:
        raise ConfigError(f"--plugins: 'no:{word}' names nothing that is installed")
    kept = [c for c in chosen if is_essential(c)]
    if kept:
        raise ConfigError(f"--plugins: {kept[0].names[0]!r} is essential and cannot be switched off")
    return chosen


def _matching(candidates: Sequence[Candidate], word: str) -> list[Candidate] | None:
    """Candidates called ``word``, or all of the distribution ``word``; None when it is a dotted path."""
    by_name = [c for c in candidates if word in c.names]
    if len({c.distribution for c in by_name}) > 1:
        origins = " and ".join(f"{c.distribution} {c.version} ({c.value})" for c in by_name)
        raise ConfigError(f"--plugins: the name {word!r} is claimed by {origins}; name the distribution instead")
    if by_name:
        return by_name
    by_distribution = [c for c in candidates if c.distribution == normalize(word)]
    if by_distribution:
        return by_distribution
    if "." in word or ":" in word:
        return None
    known = sorted({n for c in candidates for n in c.names} | {c.distribution for c in candidates})
    raise ConfigError(f"--plugins: no plugin or distribution called {word!r} is installed{did_you_mean(word, known)}")
