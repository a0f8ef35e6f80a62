"""From the command to the first streamed token, against a peer in the same run.

pytest tests/bench/test_start.py -m bench -s
FRAMEWORKCTL_PEER='vllm serve {model} --port {port} --host 127.0.0.1 --dtype float32' pytest tests/bench/test_start.py
-m bench -s
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from support.checkpoints import make_checkpoint

pytestmark = pytest.mark.bench
RUNS = 5
PEER = os.environ.get("FRAMEWORKCTL_PEER")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def first_token(command: str, model: Path) -> float:
    """Seconds until the first event with text has arrived; the client asks again until it is served."""
    port = free_port()
    words = shlex.split(command.format(model=model, port=port))
    body = {"prompt": [5, 6, 7, 8], "model": str(model), "max_tokens": 8, "temperature": 0, "stream": True}
    started = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while time.monotonic() - started < 600:
            assert process.poll() is None, f"{words[0]} ended"
            try:
                with httpx.stream("POST", f"http://127.0.0.1:{port}/v1/completions", json=body, timeout=600) as reply:
                    if reply.status_code == 200:
                        next(line for line in reply.iter_lines() if line.startswith("data: {"))
                        return time.monotonic() - started
            except httpx.TransportError:
                pass
            time.sleep(0.005)
        raise AssertionError("no token within ten minutes")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


@pytest.mark.timeout(1800)
def test_first_token(tmp_path: Path) -> None:
    """A model of 3 M parameters; the start includes everything but the installation."""
    model = make_checkpoint(
        "llama", tmp_path, vocab_size=4096, hidden_size=256, intermediate_size=512, num_hidden_layers=2
    )  # fmt: skip
    program = Path(sys.executable).with_name("frameworkctl")
    own = f"{program} serve {{model}} --port {{port}} --dtype float32"
    first_token(own, model)  # files into the page cache
    times = [first_token(own, model) for _ in range(RUNS)]
    print(f"\nfirst token after {statistics.median(times):.2f} s (of {', '.join(f'{t:.2f}' for t in times)})")
    if PEER:
        peer = first_token(PEER, model)
        print(f"the peer's after {peer:.1f} s: ratio {peer / statistics.median(times):.1f}")
