"""Configuration of gpt-oss, read from a checkpoint's config.json. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from frameworkctl.interfaces import ConfigError

from frameworkctl_models.rope import rope_parameters

Raw = Mapping[str, Any]
ARCHITECTURE = "GptOssForCausalLM"
GATE = {"swiglu_alpha": 1.702, "swiglu_limit": 7.0, "hidden_act": "silu"}  # what the experts' gate is computed with
ROPE = {  # of a config.json that says nothing
    "rope_type": "yarn",
    "factor": 32.0,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "truncate": False,
    "original_max_position_embeddings": 4096,
}


class GptOssConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``windows[i]`` is layer i's sliding window in tokens, None for full attention; ``expert_size`` the inner size of
    each expert."""

    vocab_size: int
    hidden_size: int
    expert_size: int
    experts: int
    experts_per_token: int
    heads: int
    kv_heads: int
    head_dim: int
    max_positions: int
    norm_eps: float
    rope: dict[str, Any]
    bias: bool
    tied: bool
    windows: tuple[int | None, ...]


def gpt_oss_config(raw: Raw) -> GptOssConfig:
    """Return the config.json of a gpt-oss.

    Raises:
        ConfigError: a key that is missing, or a value that the layers cannot be built with.
    """
    for name, value in GATE.items():
        if raw.get(name, value) != value:
            raise ConfigError(f"config.json: {name} {raw[name]!r} is not supported for {ARCHITECTURE} (only {value!r})")
    if not (raw.get("rope_parameters") or raw.get("rope_scaling")):
        raw = {**raw, "rope_parameters": ROPE}
    try:
        return GptOssConfig(
            vocab_size=raw["vocab_size"],
            hidden_size=raw["hidden_size"],
            expert_size=raw["intermediate_size"],
            experts=raw["num_local_experts"],
            experts_per_token=raw.get("num_experts_per_tok") or raw["experts_per_token"],
            heads=raw["num_attention_heads"],
            kv_heads=raw["num_key_value_heads"],
            head_dim=raw.get("head_dim") or raw["hidden_size"] // raw["num_attention_heads"],
            max_positions=raw.get("max_position_embeddings", 131072),
            norm_eps=raw.get("rms_norm_eps", 1e-5),
            rope=rope_parameters(raw, theta=150000.0),
            bias=raw.get("attention_bias", True),
            tied=raw.get("tie_word_embeddings", False),
            windows=_windows(raw),
        )
    except KeyError as e:
        raise ConfigError(f"config.json lacks {e.args[0]!r}") from None


def _windows(raw: Raw) -> tuple[int | None, ...]:
    """Return the window of each layer: every second layer has one, from the first on, unless ``layer_types``
    differs.
    """
    types = raw.get("layer_types")
    sliding = (
        [t == "sliding_attention" for t in types] if types else [i % 2 == 0 for i in range(raw["num_hidden_layers"])]
    )
    return tuple(raw["sliding_window"] if flag else None for flag in sliding)
