"""Registers the bundled demo chat model."""

from __future__ import annotations

from pathlib import Path

from frameworkctl.interfaces import CheckpointSpec, Register, hookimpl


@hookimpl
def register_checkpoints(register: Register[CheckpointSpec]) -> None:
    """Offer the weights that lie beside this file as the model served by default."""
    register(
        CheckpointSpec(
            name="demo",
            path=str(Path(__file__).parent / "weights"),
            description="Tiny bundled chat model: small talk, sums, capitals, fields as JSON, sentiment, tool calls.",
            default=True,
            options={"enable_auto_tool_choice": True, "tool_call_parser": "hermes"},
        )
    )
