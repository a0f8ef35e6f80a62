"""Registers the fallback ``transformers``: any decoder that Hugging Face modules compute right over paged attention."""

from __future__ import annotations

from frameworkctl.interfaces import Checkpoint, ConfigError, ModelInfo, ModelSpec, Register, hookimpl

from frameworkctl_models.describing import dtype_of, eos_token_ids

from .config import HIDDEN, LAYERS, fact, refuse, usable_length


def describe(checkpoint: Checkpoint) -> ModelInfo:
    """Return what json files tell. Whether transformers knows the architecture, and whether its modules can be run, is
    found in the engine."""
    raw = checkpoint.config
    names = [str(name) for name in raw.get("architectures") or ()]
    if not names:
        raise ConfigError("config.json lacks architectures")
    refuse(raw, names[0])
    return ModelInfo(
        architecture=names[0],
        tasks=frozenset({"generate"}),
        vocab_size=fact(raw, ("vocab_size",), "the size of the vocabulary"),
        hidden_size=fact(raw, HIDDEN, "the hidden size"),
        num_layers=fact(raw, LAYERS, "the number of layers"),
        max_model_len=usable_length(raw),
        eos_token_ids=eos_token_ids(checkpoint),
        dtype=dtype_of(raw),
    )


@hookimpl
def register_models(register: Register[ModelSpec]) -> None:
    register(
        ModelSpec(
            fallback="transformers",
            implementation="frameworkctl_models.generic.model:TransformersModel",
            describe=describe,
        )
    )
