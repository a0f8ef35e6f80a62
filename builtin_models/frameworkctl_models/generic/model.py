"""A Hugging Face causal language model run on flat batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import transformers
from frameworkctl.interfaces import ConfigError
from frameworkctl.interfaces.engine import Batch, LoadReport, Model, ModelContext
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING

from .attention import Paged, PagedAttention
from .head import HeadOf
from .interface import NAME, answering
from .probe import check_windows, find_layers
from .trial import compare


class TransformersModel(Model):
    """Whatever AutoModelForCausalLM builds, with attention over the paged cache.

    Weights are loaded by transformers, with its own conversions of checkpoint names. Then the modules are probed once:
    which of them call attention, with what shapes, and whether a mixed batch gives the logits that transformers itself
    gives each of its sequences. Its code may wait for the device in places; ours does not.
    """

    def __init__(self, config: Mapping[str, Any], ctx: ModelContext) -> None:
        super().__init__(config, ctx)
        if ctx.world.size != 1:
            raise ConfigError("the transformers fallback runs on one rank only")
        self.hf_class, self.hf_config = _class_of(config)
        self.layers: dict[nn.Module, PagedAttention] = {}

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> LoadReport:
        """Build, load, probe.

        Raises:
            ConfigError: the modules cannot be run here, and why.
        """
        hf_logging: Any = transformers.logging
        hf_logging.set_verbosity_error()  # what is missing or unexpected is reported by the engine
        hf_logging.disable_progress_bar()
        try:
            model, info = self.hf_class.from_pretrained(
                None,
                config=self.hf_config,
                state_dict=dict(weights),
                dtype=self.ctx.dtype,
                attn_implementation=NAME,
                output_loading_info=True,
            )
        except KeyError as e:
            if e.args != (NAME,):
                raise
            # It looks its attention classes up in a table of its own.
            raise ConfigError(f"{self.hf_class.__name__} does not use transformers' attention interface") from e
        except (RuntimeError, ValueError, ImportError) as e:
            raise ConfigError(f"transformers cannot load it as {self.hf_class.__name__}: {e}") from e
        report = LoadReport(tuple(sorted(info["missing_keys"])), tuple(sorted(info["unexpected_keys"])))
        if not (report.missing or report.unexpected):
            self._probe(model.eval().to(self.ctx.device))
        return report

    @torch.inference_mode()
    def _probe(self, model: Any) -> None:
        for part in (model, model.base_model):  # a warning for which the ids are searched, and the device waited for
            part.warn_if_padding_and_no_attention_mask = _say_nothing
        self.head = HeadOf(model)
        self.backbone = self.head.backbone
        found = find_layers(model, self.run, self.ctx.device)
        check_windows(model.config, [f.call.window for f in found.values()])
        compare(model, self.run, self.logits, self.ctx.device)
        self.layers = {
            module: PagedAttention(self.ctx, f.heads, f.kv_heads, f.key_width, f.value_width, f.call)
            for module, f in found.items()
        }

    def caching_modules(self) -> list[Any]:
        return list(self.layers.values())

    def run(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Return ``ids`` and ``positions [T]`` -> ``[T, hidden]``; attention is answered by whom the context names."""
        out = self.backbone(input_ids=ids[None], position_ids=positions[None], use_cache=False, return_dict=True)
        hidden: Tensor = out[0][0]
        return hidden

    def forward(self, batch: Batch) -> Tensor:
        with answering(Paged(self.layers, batch)):
            return self.run(batch.input_ids, batch.positions)

    def logits(self, hidden: Tensor) -> Tensor:
        return self.head(hidden)


def _say_nothing(*args: Any, **kwargs: Any) -> None:
    """Do nothing: there is no padding in a batch."""


def _class_of(config: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the class and the configuration that AutoModelForCausalLM would take, from transformers' own code only.

    Raises:
        ConfigError: transformers has no such class, or refuses the configuration.
    """
    version, model_type = transformers.__version__, config["model_type"]
    if model_type not in CONFIG_MAPPING:
        own = "; code that comes with a checkpoint (auto_map) is never run" if config.get("auto_map") else ""
        raise ConfigError(f"transformers {version} knows no model_type {model_type!r}{own}")
    plain = {name: value for name, value in config.items() if name != "quantization_config"}  # as weights arrive
    try:
        hf_config = CONFIG_MAPPING[model_type].from_dict(plain)
    except Exception as e:  # it validates with several kinds of errors
        raise ConfigError(f"transformers refuses its config.json: {type(e).__name__}: {e}") from e
    if type(hf_config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ConfigError(f"transformers {version} has no causal language model for model_type {model_type!r}")
    hf_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(hf_config)]
    named = getattr(transformers, str(config["architectures"][0]), hf_class)
    if named is not hf_class:
        raise ConfigError(f"{named.__name__} is not what transformers makes of {model_type!r} ({hf_class.__name__})")
    return hf_class, hf_config
