"""Registers the bundled demo models: a chat model, and beside it a reranker and a classifier."""

from __future__ import annotations

from pathlib import Path

from frameworkctl.interfaces import CheckpointSpec, Register, hookimpl

_HERE = Path(__file__).parent


@hookimpl
def register_checkpoints(register: Register[CheckpointSpec]) -> None:
    """Offer the weights that lie beside this file as the models served by default, the chat model first."""
    register(
        CheckpointSpec(
            name="demo",
            path=str(_HERE / "weights"),
            description="Tiny bundled chat model: small talk, sums, capitals, fields as JSON, sentiment, tool calls.",
            default=True,
            options={"enable_auto_tool_choice": True, "tool_call_parser": "hermes"},
        )
    )
    register(
        CheckpointSpec(
            name="demo-classifier",
            path=str(_HERE / "classifier_weights"),
            description="Tiny bundled classifier: whether a sentence is positive, negative or neutral.",
            default=True,
        )
    )
    register(
        CheckpointSpec(
            name="demo-reranker",
            path=str(_HERE / "reranker_weights"),
            description="Tiny bundled cross-encoder: which of some short documents answers a question.",
            default=True,
        )
    )
