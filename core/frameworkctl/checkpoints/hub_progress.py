"""Tells how far a download from the Hub is where the Hub client's own bars would only fill a log."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from frameworkctl.logs import Progress

log = logging.getLogger("frameworkctl.server")

INTERVAL = 1.0  # seconds between two looks at the folder


@contextmanager
def download_progress(repo: str, cache: str | None) -> Iterator[None]:
    """While the block runs. ``cache`` is the download folder, by default the Hub client's.

    At a terminal the client's bars stay; else what arrives in the folder is told now and then.
    """
    from huggingface_hub import constants, utils

    client: Any = utils
    if sys.stderr.isatty():
        yield
        return
    folder = Path(cache or constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}" / "blobs"
    before = _size(folder)
    progress = Progress(log, f"downloading {repo}")
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(INTERVAL):
            progress.update(_size(folder) - before, None)

    silenced = not client.are_progress_bars_disabled()
    if silenced:
        client.disable_progress_bars()
    watcher = threading.Thread(target=watch, daemon=True, name="download-progress")
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
        if silenced:
            client.enable_progress_bars()
    if (came := _size(folder) - before) > 0:
        log.info("downloaded %s: %.2f GB", repo, came / 1e9)


def _size(folder: Path) -> int:
    """Return bytes of the files in a folder; some may be renamed meanwhile."""
    total = 0
    for file in folder.glob("*"):
        try:
            total += file.stat().st_size
        except OSError:
            continue
    return total
