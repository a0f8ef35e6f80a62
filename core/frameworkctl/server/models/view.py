"""A served model as the makers of its prompts and parameters see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from frameworkctl.checkpoints.sampling_defaults import SamplingDefaults
from frameworkctl.config import ModelOptions
from frameworkctl.interfaces.generation.logits import LogitsProcessorSpec
from frameworkctl.interfaces.served_model import ServedModel
from frameworkctl.plugins.registry import Registered
from frameworkctl.server.engines.supervisor import Engine
from frameworkctl.text.tokenizer import TextTokenizer


class ModelView(ServedModel, Protocol):
    """Interface of ``LocalModel`` beyond the public one."""

    settings: ModelOptions
    defaults: SamplingDefaults
    engine: Engine | None
    processors: Mapping[str, Registered[LogitsProcessorSpec]]
    eos_token_ids: tuple[int, ...]

    @property
    def tokenizer(self) -> TextTokenizer: ...
