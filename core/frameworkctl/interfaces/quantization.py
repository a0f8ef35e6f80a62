"""Quantised checkpoints that can be run, recognised by config.json alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frameworkctl.errors import ConfigError

from .model import ModelSpec

Block = tuple[int, int]  # rows and columns that share a scale

FP8 = "fp8"  # block-scaled weights as DeepSeek publishes them: core makes plain weights of them, for every model


def quantization_of(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what config.json says of quantisation, at its top or of its text model; None for plain weights."""
    text = config.get("text_config")
    for place in (config, text if isinstance(text, Mapping) else {}):
        for key in ("quantization_config", "compression_config"):
            if isinstance(found := place.get(key), Mapping):
                return found
    return None


def block_to_expand(config: Mapping[str, Any], spec: ModelSpec) -> Block | None:
    """Return the block size of FP8 weights that have to be made plain before the model sees them, else None.

    Raises:
        ConfigError: a quantisation that neither core nor the model knows.
    """
    quantization = quantization_of(config)
    if quantization is None:
        return None
    method = quantization.get("quant_method")
    if method in spec.quant_methods:
        return None
    if method != FP8:
        known = ", ".join(sorted({FP8, *spec.quant_methods}))
        raise ConfigError(
            f"config.json: the weights are quantised with quant_method {method!r}, which is not supported here"
            f" (only {known}): serve the unquantised model"
        )
    block = quantization.get("weight_block_size")
    if not (isinstance(block, list | tuple) and len(block) == 2 and all(type(n) is int and n > 0 for n in block)):
        raise ConfigError(
            f"config.json: quant_method 'fp8' with weight_block_size {block!r} is not supported (only two sizes,"
            " such as [128, 128])"
        )
    return block[0], block[1]
