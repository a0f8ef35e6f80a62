"""From the command to the first streamed token, against a peer in the same run.

pytest tests/bench/test_start.py -m bench -s
FRAMEWORKCTL_PEER='vllm serve {model} --port {port} --host 127.0.0.1 --dtype float32' pytest tests/bench/test_start.py
-m bench -s
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from frameworkctl.bench.startup import Starts, measure_starts
from support.checkpoints.tiny import make_checkpoint

pytestmark = pytest.mark.bench
RUNS = 5
PEER = os.environ.get("FRAMEWORKCTL_PEER")


def starts(model: Path, command: str | None, runs: int, warmups: int) -> Starts:
    arguments = [str(model)] if command else [str(model), "--dtype", "float32"]
    return asyncio.run(measure_starts(arguments, command, runs, warmups, lambda seconds, measured: None))


@pytest.mark.timeout(1800)
def test_first_token(tmp_path: Path) -> None:
    """A model of 3 M parameters; the start includes everything but the installation."""
    given = os.environ.get("FRAMEWORKCTL_BENCH_MODEL")
    model = (
        Path(given)
        if given
        else make_checkpoint(
            "llama", tmp_path, vocab_size=4096, hidden_size=256, intermediate_size=512, num_hidden_layers=2
        )
    )
    own = starts(model, None, RUNS, 1)
    print(f"\nfirst token after {own.median:.2f} s (of {', '.join(f'{t:.2f}' for t in own.first_token)})")
    if PEER:
        peer = starts(model, PEER, 1, 0)
        print(f"the peer's after {peer.median:.1f} s: ratio {peer.median / own.median:.1f}")
