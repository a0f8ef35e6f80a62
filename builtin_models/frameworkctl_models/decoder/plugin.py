"""Registers the decoder families."""

from __future__ import annotations

from frameworkctl.interfaces import Checkpoint, ModelInfo, ModelSpec, Register, hookimpl

from frameworkctl_models.decoder.families.table import FAMILIES, architecture_of, decoder_config
from frameworkctl_models.describing import dtype_of, eos_token_ids

from .pooling import pooling_of

# Their activations are known to grow beyond 65504, float16's largest number.
OVERFLOWS = {name: frozenset({"float16"}) for name in ("Gemma2ForCausalLM", "Gemma3ForCausalLM", "Glm4ForCausalLM")}


def describe(checkpoint: Checkpoint) -> ModelInfo:
    """Return what the server needs to know, from json files alone."""
    config = decoder_config(checkpoint.config)
    architecture = architecture_of(checkpoint.config)
    pooling, tasks = pooling_of(architecture, config, checkpoint)
    return ModelInfo(
        architecture=architecture,
        tasks=tasks,
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_layers,
        max_model_len=config.max_positions,
        eos_token_ids=eos_token_ids(checkpoint),
        overflows=OVERFLOWS.get(architecture, frozenset()),
        dtype=dtype_of(checkpoint.config),
        pooling=pooling,
    )


@hookimpl
def register_models(register: Register[ModelSpec]) -> None:
    register(
        ModelSpec(
            architectures=tuple(FAMILIES),
            implementation="frameworkctl_models.decoder.model:Decoder",
            describe=describe,
        )
    )
