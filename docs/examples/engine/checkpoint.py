"""A checkpoint that a package carries: ``frameworkctl serve mine``."""

from __future__ import annotations

from pathlib import Path

from frameworkctl.interfaces import CheckpointSpec, Register, hookimpl


@hookimpl
def register_checkpoints(register: Register[CheckpointSpec]) -> None:
    folder = Path(__file__).parent / "weights"
    register(CheckpointSpec(name="mine", path=str(folder), description="a small model of ours"))
