"""Registers the decoder families."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frameworkctl.interfaces import Checkpoint, ModelInfo, ModelSpec, Register, hookimpl

from .table import FAMILIES, architecture_of, decoder_config

# Their activations are known to grow beyond 65504, float16's largest number.
OVERFLOWS = {name: frozenset({"float16"}) for name in ("Gemma2ForCausalLM", "Gemma3ForCausalLM", "Glm4ForCausalLM")}


def describe(checkpoint: Checkpoint) -> ModelInfo:
    """What the server needs to know, from json files alone."""
    config = decoder_config(checkpoint.config)
    architecture = architecture_of(checkpoint.config)
    return ModelInfo(
        architecture=architecture,
        tasks=frozenset({"generate"}),
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_layers,
        max_model_len=config.max_positions,
        eos_token_ids=_ids(checkpoint.generation_config or checkpoint.config, "eos_token_id"),
        overflows=OVERFLOWS.get(architecture, frozenset()),
        dtype=str(checkpoint.config.get("dtype") or checkpoint.config.get("torch_dtype") or "float32"),
    )


def _ids(raw: Mapping[str, Any], key: str) -> tuple[int, ...]:
    value = raw.get(key)
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


@hookimpl
def register_models(register: Register[ModelSpec]) -> None:
    register(
        ModelSpec(
            architectures=tuple(FAMILIES),
            implementation="frameworkctl_models.decoder.model:Decoder",
            describe=describe,
        )
    )
