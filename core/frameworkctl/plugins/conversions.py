"""Purpose of a checkpoint by its class name, and the class of the same model with another head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from frameworkctl.interfaces.model import Checkpoint

Kind = Literal["generate", "embed", "classify", "token_classify"]

SUFFIXES: tuple[tuple[str, Kind], ...] = (  # the first that fits
    ("ForCausalLM", "generate"),
    ("ForConditionalGeneration", "generate"),
    ("ChatModel", "generate"),
    ("LMHeadModel", "generate"),
    ("ForTextEncoding", "embed"),
    ("EmbeddingModel", "embed"),
    ("ForTokenClassification", "token_classify"),
    ("ForSequenceClassification", "classify"),
    ("ForAudioClassification", "classify"),
    ("ForImageClassification", "classify"),
    ("ForVideoClassification", "classify"),
    ("ClassificationModel", "classify"),
    ("ForRewardModeling", "embed"),
    ("RewardModel", "embed"),
    ("Model", "embed"),
)
BASES = ("ForCausalLM", "Model")  # classes that the others are made of by another head


def kind_of(architecture: str) -> Kind:
    return next((kind for suffix, kind in SUFFIXES if architecture.endswith(suffix)), "generate")


def bases_of(architecture: str) -> Iterator[str]:
    """Yield names of classes that compute the same up to the head, the one to prefer first."""
    for suffix, kind in SUFFIXES:
        if architecture.endswith(suffix):
            if kind != "generate":
                stem = architecture.removesuffix(suffix)
                yield from (stem + base for base in BASES if stem + base != architecture)
            return


class Renamed:
    """A checkpoint whose config.json names another class: the one that runs it."""

    def __init__(self, checkpoint: Checkpoint, architecture: str) -> None:
        self._checkpoint, self.root = checkpoint, checkpoint.root
        self.config: Mapping[str, Any] = {**checkpoint.config, "architectures": [architecture]}
        self.generation_config, self.tokenizer_config = checkpoint.generation_config, checkpoint.tokenizer_config

    def json(self, name: str) -> Mapping[str, Any] | None:
        return self._checkpoint.json(name)
