"""Registers DeepSeek-V2 and V3."""

from __future__ import annotations

from frameworkctl.interfaces import Checkpoint, ModelInfo, ModelSpec, Register, hookimpl

from frameworkctl_models.describing import dtype_of, eos_token_ids

from .config import V2, V3, architecture_of, deepseek_config


def describe(checkpoint: Checkpoint) -> ModelInfo:
    """Return what the server needs to know, from json files alone."""
    raw = checkpoint.config
    config = deepseek_config(raw)
    return ModelInfo(
        architecture=architecture_of(raw),
        tasks=frozenset({"generate"}),
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_layers,
        max_model_len=config.max_positions,
        eos_token_ids=eos_token_ids(checkpoint),
        dtype=dtype_of(raw, "bfloat16"),
    )


@hookimpl
def register_models(register: Register[ModelSpec]) -> None:
    register(
        ModelSpec(
            architectures=(V2, V3), implementation="frameworkctl_models.deepseek.model:Deepseek", describe=describe
        )
    )
