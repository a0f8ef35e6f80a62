"""What large bodies cost: memory of all processes, and the longest gap between tokens of another stream.

pytest tests/bench/test_bodies.py -m bench -s
FRAMEWORKCTL_BODY_BYTES=9600000 FRAMEWORKCTL_BODIES=tokenize pytest tests/bench/test_bodies.py -m bench -s
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.serving.bodies import CASES, measure
from support.serving.server import start_server

pytestmark = pytest.mark.bench
SIZE = int(os.environ.get("FRAMEWORKCTL_BODY_BYTES", 33_000_000))
ONLY = os.environ.get("FRAMEWORKCTL_BODIES", "")
LIMIT = float(os.environ.get("FRAMEWORKCTL_BODY_SECONDS", 120))  # after which an answer is not waited for


@pytest.mark.timeout(7200)
def test_bodies(tmp_path: Path) -> None:
    """Each on a fresh server where the one before has left more than a little memory."""
    print(f"\n{'body of ' + str(SIZE) + ' bytes':40} {'MB':>6} {'gap ms':>7}  status, bytes, seconds, answer")
    for case in CASES:
        if ONLY not in case.name:
            continue
        server = start_server([])
        try:
            seen = measure(server, case, SIZE, tmp_path, LIMIT)
            print(f"{case.name:40} {seen.memory:6.0f} {seen.gap:7.0f}  {seen.answer[:110]}", flush=True)
        finally:
            server.stop()
