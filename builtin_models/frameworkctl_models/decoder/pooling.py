"""Decoder classes that pool by themselves; all others are converted by core. Torch-free."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from frameworkctl.interfaces import Checkpoint, ConfigError, PoolingInfo

from .config import DecoderConfig

log = logging.getLogger("frameworkctl.models")

BIDIRECTIONAL_POOLERS = {"avg": "mean", "cls": "cls", "last": "last"}  # ``pooling`` of config.json
STEP_TAG = 151651  # Qwen2.5's <extra_0>, which ends a step of reasoning
EMBED: frozenset[str] = frozenset({"embed", "token_embed"})
CLASSIFY: frozenset[str] = frozenset({"classify", "token_classify"})
REWARD: frozenset[str] = frozenset({"token_classify"})


def pooling_of(
    architecture: str, config: DecoderConfig, checkpoint: Checkpoint
) -> tuple[PoolingInfo | None, frozenset[str]]:
    """Return how the class pools, and its tasks; (None, generate) for a language model.

    Raises:
        ConfigError: a ``pooling`` in config.json that is unknown.
    """
    size, whole = config.hidden_size, config.bidirectional
    if architecture == "Qwen2ForRewardModel":
        return PoolingInfo(task="token_classify", size=size, labels=("LABEL_0",), activate=False), REWARD
    if architecture == "Qwen2ForProcessRewardModel":
        labels = ("LABEL_0", "LABEL_1")
        info = PoolingInfo(task="token_classify", size=size, labels=labels, token_pooler="step", step_tag_id=STEP_TAG)
        return info, REWARD
    if architecture.startswith("LlamaBidirectional"):
        pooler = _pooler(checkpoint.config)
        if architecture.endswith("ForSequenceClassification"):
            return PoolingInfo(task="classify", pooler=pooler, size=size, whole=whole), CLASSIFY
        return PoolingInfo(pooler=pooler, size=size, whole=whole), EMBED
    if architecture.endswith("Model") or whole:
        return PoolingInfo(size=size, whole=whole), EMBED
    return None, frozenset({"generate"})


def _pooler(raw: Mapping[str, object]) -> str:
    given = raw.get("pooling")
    if given is None:
        log.warning("config.json does not say how to pool (pooling: avg, cls or last); avg is taken")
        return "mean"
    if given not in BIDIRECTIONAL_POOLERS:
        raise ConfigError(f"config.json: pooling {given!r} is not one of {', '.join(BIDIRECTIONAL_POOLERS)}")
    return BIDIRECTIONAL_POOLERS[str(given)]
