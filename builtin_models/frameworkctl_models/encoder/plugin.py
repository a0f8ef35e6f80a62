"""Registers the encoder families."""

from __future__ import annotations

from frameworkctl.interfaces import Checkpoint, ModelInfo, ModelSpec, PoolingInfo, PoolTask, Register, hookimpl

from ..describing import dtype_of
from .families import ARCHITECTURES, SEQUENCE_CLASSIFIER, TOKEN_CLASSIFIER, architecture_of, encoder_config


def describe(checkpoint: Checkpoint) -> ModelInfo:
    """What the server needs to know, from json files alone."""
    config, architecture = encoder_config(checkpoint.config), architecture_of(checkpoint.config)
    task: PoolTask = "embed"
    tasks: set[str] = {"embed", "token_embed"}
    if architecture.endswith(SEQUENCE_CLASSIFIER):
        task, tasks = "classify", {"classify", "token_classify"}
    elif architecture.endswith(TOKEN_CLASSIFIER):
        task, tasks = "token_classify", {"token_classify"}
    pooler = config.sequence_pooler if task == "classify" else "cls"
    return ModelInfo(
        architecture=architecture,
        tasks=frozenset(tasks),
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_layers,
        max_model_len=config.max_positions,
        dtype=dtype_of(checkpoint.config),
        pooling=PoolingInfo(task=task, pooler=pooler, size=config.hidden_size, whole=True),
    )


@hookimpl
def register_models(register: Register[ModelSpec]) -> None:
    register(
        ModelSpec(
            architectures=ARCHITECTURES,
            implementation="frameworkctl_models.encoder.model:Encoder",
            describe=describe,
        )
    )
