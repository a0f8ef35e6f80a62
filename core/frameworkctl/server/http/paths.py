"""Hints for clients that ask for a path which does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from frameworkctl.suggestions import did_you_mean

MAX_PATH = 200  # characters of a path that is looked at
MAX_SEGMENTS = 12
_PARAMETER = re.compile(r"\\\{\w+(:\w+)?\\\}")


class KnownPaths:
    """The paths of a server's routes, with parameters in braces."""

    def __init__(self, paths: Iterable[str]) -> None:
        paths = list(dict.fromkeys(paths))
        self._plain = sorted((p for p in paths if "{" not in p and p != "/"), key=lambda p: (len(p), p))
        self._patterns = [re.compile(_PARAMETER.sub(".+", re.escape(p))) for p in paths if "{" in p]

    def hint(self, path: str) -> str:
        """Return ``; did you mean '/v1/...'?`` for a prefix that is missing, doubled or another server's.

        Where no path is like it, say where all of them are.
        """
        found = self._near(path) if len(path) <= MAX_PATH else None
        if found is not None:
            return f"; did you mean {found!r}?"
        close = did_you_mean(path, self._plain) if len(path) <= MAX_PATH else ""
        return close or "; GET /docs shows all paths."

    def _near(self, path: str) -> str | None:
        segments = [segment for segment in path.split("/") if segment][:MAX_SEGMENTS]
        wordings = list(_wordings(segments))
        for wording in wordings:
            if wording != path and self._exists(wording):
                return wording
        for wording in wordings:
            if wording.count("/") > 1:
                longer = next((p for p in self._plain if p.startswith(wording + "/")), None)
                if longer is not None:
                    return longer
        return None

    def _exists(self, path: str) -> bool:
        return path in self._plain or any(pattern.fullmatch(path) for pattern in self._patterns)


def _wordings(segments: list[str]) -> Iterator[str]:
    """Yield the path without its first segments, none of them first, each as it is and below ``/v1``."""
    for dropped in range(len(segments)):
        rest = "/" + "/".join(segments[dropped:])
        yield rest
        yield "/v1" + rest
