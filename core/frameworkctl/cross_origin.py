"""Cross-origin options: which pages a browser may let use the server."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .errors import ConfigError

ANY = "*"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#]+", re.IGNORECASE)
_THIS_MACHINE = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)


def check_origins(origins: Sequence[str] | None, *, credentials: bool) -> None:
    """Check ``--allowed-origins`` and ``--allow-credentials``.

    Raises:
        ConfigError: an entry is not an origin, or every page could act with a user's credentials.
    """
    for origin in origins or ():
        if origin != ANY and not _ORIGIN.fullmatch(origin):
            raise ConfigError(
                f"--allowed-origins: {origin!r:.120} is not an origin such as 'https://example.com' or"
                " 'http://localhost:3000' (no path, no slash at the end), or '*' for all"
            )
    if credentials and (not origins or ANY in origins):
        raise ConfigError(
            "--allow-credentials: name the origins in --allowed-origins: with '*' or without a list, any page could"
            " act for a user"
        )


def allows(origins: Sequence[str] | None, origin: str) -> bool:
    """Return if a page of ``origin`` is let in. ``origins`` None: those of this machine, at any port."""
    if origins is None:
        return _THIS_MACHINE.fullmatch(origin) is not None
    return ANY in origins or origin.lower() in [known.lower() for known in origins]
