"""Registers Jamba."""

from __future__ import annotations

from frameworkctl.interfaces import Checkpoint, ModelInfo, ModelSpec, Register, hookimpl

from .config import ARCHITECTURE, jamba_config


def describe(checkpoint: Checkpoint) -> ModelInfo:
    """What the server needs to know, from json files alone."""
    raw = checkpoint.config
    config = jamba_config(raw)
    stops = checkpoint.generation_config.get("eos_token_id", raw.get("eos_token_id"))
    return ModelInfo(
        architecture=ARCHITECTURE,
        tasks=frozenset({"generate"}),
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_layers=len(config.attention),
        max_model_len=config.max_positions,
        eos_token_ids=() if stops is None else tuple(stops) if isinstance(stops, list) else (stops,),
        dtype=str(raw.get("dtype") or raw.get("torch_dtype") or "float32"),
    )


@hookimpl
def register_models(register: Register[ModelSpec]) -> None:
    register(
        ModelSpec(
            architectures=(ARCHITECTURE,), implementation="frameworkctl_models.jamba.model:Jamba", describe=describe
        )
    )
