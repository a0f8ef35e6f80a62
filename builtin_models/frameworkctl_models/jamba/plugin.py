"""Registers Jamba."""

from __future__ import annotations

from frameworkctl.interfaces import Checkpoint, ModelInfo, ModelSpec, Register, hookimpl

from frameworkctl_models.describing import dtype_of, eos_token_ids

from .config import ARCHITECTURE, jamba_config


def describe(checkpoint: Checkpoint) -> ModelInfo:
    """Return what the server needs to know, from json files alone."""
    raw = checkpoint.config
    config = jamba_config(raw)
    return ModelInfo(
        architecture=ARCHITECTURE,
        tasks=frozenset({"generate"}),
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_layers=len(config.attention),
        max_model_len=config.max_positions,
        eos_token_ids=eos_token_ids(checkpoint),
        dtype=dtype_of(raw),
    )


@hookimpl
def register_models(register: Register[ModelSpec]) -> None:
    register(
        ModelSpec(
            architectures=(ARCHITECTURE,), implementation="frameworkctl_models.jamba.model:Jamba", describe=describe
        )
    )
