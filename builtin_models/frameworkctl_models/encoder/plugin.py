"""Registers the encoder families."""

from __future__ import annotations

from frameworkctl.interfaces import Checkpoint, ModelInfo, ModelSpec, PoolingInfo, PoolTask, Register, hookimpl

from frameworkctl_models.describing import dtype_of

from .families import ARCHITECTURES, COLBERT, SEQUENCE_CLASSIFIER, TOKEN_CLASSIFIER, architecture_of, encoder_config


def describe(checkpoint: Checkpoint) -> ModelInfo:
    """Return what the server needs to know, from json files alone."""
    config, architecture = encoder_config(checkpoint.config), architecture_of(checkpoint.config)
    task: PoolTask = "embed"
    tasks: set[str] = {"embed", "token_embed"}
    if architecture.endswith(SEQUENCE_CLASSIFIER):
        task, tasks = "classify", {"classify", "token_classify"}
    elif architecture.endswith(TOKEN_CLASSIFIER):
        task, tasks = "token_classify", {"token_classify"}
    elif architecture == COLBERT:
        task, tasks = "token_embed", {"token_embed"}
    pooler = config.sequence_pooler if task == "classify" else "cls"
    return ModelInfo(
        architecture=architecture,
        tasks=frozenset(tasks),
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_layers,
        max_model_len=config.max_positions,
        dtype=dtype_of(checkpoint.config),
        pooling=PoolingInfo(
            task=task, pooler=pooler, size=_size(checkpoint, architecture) or config.hidden_size, whole=True
        ),
    )


def _size(checkpoint: Checkpoint, architecture: str) -> int | None:
    """Return the size of ColBERT's vectors, which its tools store in a file of their own; None for other classes."""
    if architecture != COLBERT:
        return None
    own = checkpoint.json("artifact.metadata") or {}
    return int(checkpoint.config.get("dim") or own.get("dim") or 128)


@hookimpl
def register_models(register: Register[ModelSpec]) -> None:
    register(
        ModelSpec(
            architectures=ARCHITECTURES,
            implementation="frameworkctl_models.encoder.model:Encoder",
            describe=describe,
        )
    )
