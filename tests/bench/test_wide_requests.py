"""How long one client's request for thousands of sequences makes others wait (``-m bench -s``).

Prints the longest wait for a first token of small requests, and the longest pause in a stream, alone and beside it.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.bench
WIDE = {"n 1,024": ["the"], "16 prompts, n 64": ["the"] * 16, "n 16,384": ["the"], "16 prompts, n 1,024": ["the"] * 16}


def times(server: RunningServer, tokens: int) -> list[float]:
    """Return the seconds from the request to each event of a stream."""
    body = {"prompt": "a dog", "max_tokens": tokens, "stream": True, "ignore_eos": True, "temperature": 0}
    begin, found = time.monotonic(), []
    with httpx.stream("POST", f"{server.url}/v1/completions", json=body, timeout=600) as reply:
        assert reply.status_code == 200, reply.read()
        for line in reply.iter_lines():
            if line.startswith("data: {"):
                json.loads(line[6:])
                found.append(time.monotonic() - begin)
    return found


def waits(server: RunningServer, until: threading.Thread | None) -> tuple[float, float, int]:
    """Return the longest wait for a first token, the longest pause after it, and the number of small requests."""
    first, pause, count = 0.0, 0.0, 0
    while count < 10 or (until is not None and until.is_alive() and count < 200):
        found = times(server, 16)
        first = max(first, found[0])
        pause = max(pause, 0.0, *(b - a for a, b in itertools.pairwise(found)))
        count += 1
    return first, pause, count


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", WIDE)
def test_longest_wait(checkpoints: dict[str, Path], name: str) -> None:
    args = [str(checkpoints["llama"]), "--dtype", "float32", "--max-num-queued-reqs", "-1"]
    server = start_server(args)
    try:
        alone = waits(server, None)
        n = int(name.rpartition(" ")[2].replace(",", ""))
        body: dict[str, Any] = {"prompt": WIDE[name], "n": n, "max_tokens": 16, "ignore_eos": True}
        begin = time.monotonic()
        wide = threading.Thread(
            target=httpx.post, args=(f"{server.url}/v1/completions",), kwargs={"json": body, "timeout": 1200}
        )
        wide.start()
        beside = waits(server, wide)
        wide.join()
        took = time.monotonic() - begin
    finally:
        server.stop()
    print(f"\n{name}: first token {alone[0]:.3f} s alone, {beside[0]:.3f} s beside;", end="")
    print(f" pause {alone[1]:.3f}, {beside[1]:.3f}; {beside[2]} small requests while it ran {took:.1f} s")
