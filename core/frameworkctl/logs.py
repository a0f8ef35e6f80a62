"""How every process of ours logs: one line per event on stderr."""

from __future__ import annotations

import logging


def configure(level: str) -> None:
    """Our own loggers at ``level``, everybody else's from warnings on."""
    logging.basicConfig(level="WARNING", format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("frameworkctl").setLevel(level.upper())
