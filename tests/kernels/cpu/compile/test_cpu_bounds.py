"""No kernel reads or writes a byte outside what it is given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.engine.cpu_backend import cpu_backend


def test_every_kernel_at_the_edge_of_its_memory() -> None:
    """One step too far ends the process that tries."""
    cpu_backend(1)
    program = Path(__file__).with_name("edges.py")
    done = subprocess.run([sys.executable, "-X", "faulthandler", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-200:]}\n{done.stderr}"
    assert done.stdout.endswith("all within their bounds\n")
