"""Facts of a model from its json files alone, and the declaration of model plugins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from .markers import API_VERSION
from .pooling import PoolingInfo

FALLBACK = "fallback."  # what the registered name of a fallback begins with


class Checkpoint(Protocol):
    """The json files of a checkpoint folder; nothing of the weights."""

    root: str
    config: Mapping[str, Any]
    generation_config: Mapping[str, Any]
    tokenizer_config: Mapping[str, Any]

    def json(self, name: str) -> Mapping[str, Any] | None:
        """Another json file of the folder, None where it is missing."""


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Facts that requests are checked with. ``tasks`` as in the API reference: ``generate``, ``embed``, ``classify``,
    ...
    """

    architecture: str
    tasks: frozenset[str]
    vocab_size: int
    hidden_size: int
    num_layers: int
    max_model_len: int
    eos_token_ids: tuple[int, ...] = ()
    dtype: str = "float32"  # as the checkpoint says
    overflows: frozenset[str] = frozenset()  # types whose range its activations leave: refused, and avoided by auto
    modalities: frozenset[str] = frozenset()
    pooling: PoolingInfo | None = None


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A model family. ``implementation`` is ``package.module:Class`` of a ``frameworkctl.interfaces.engine.Model``.

    ``describe`` reads json files only and raises ``ConfigError`` for a configuration it cannot run. ``quant_methods``
    are the values of ``quantization_config.quant_method`` whose tensors the implementation takes as they are stored;
    block-scaled ``fp8`` it need not know, those weights reach it as plain ones.

    A class that nobody registered (``XForSequenceClassification``, ``XForTokenClassification``, ``XModel``) is run by
    the ``XForCausalLM`` of the same model: ``describe`` and the model then read that name in config.json, and
    ``ModelContext.pooling`` says which head to build.

    Entry points are named as the ``architectures``. A spec with a ``fallback`` name has none: it is asked for
    checkpoints that no native code runs, and forced by ``--model-impl NAME``; its entry point is ``fallback.NAME``.
    """

    architectures: tuple[str, ...] = ()
    fallback: str | None = None
    implementation: str
    describe: Callable[[Checkpoint], ModelInfo]
    media: str | None = None
    quant_methods: frozenset[str] = frozenset()
    api_version: int = API_VERSION

    @property
    def names(self) -> tuple[str, ...]:
        """Under which it is registered: of its entry points too."""
        return self.architectures if self.fallback is None else (*self.architectures, FALLBACK + self.fallback)


class CheckpointSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint folder that a package carries, served by ``frameworkctl serve NAME``.

    Those that are ``default`` are served when no model is named, in the order of registration; the first is loaded
    before the others. ``options`` are values of options of ``serve``
    (``tool_call_parser``) where the user gave none; only options without a default can be set.
    """

    name: str
    path: str
    description: str = ""
    default: bool = False
    options: Mapping[str, Any] = {}
    api_version: int = API_VERSION
