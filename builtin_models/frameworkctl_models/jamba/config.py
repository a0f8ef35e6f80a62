"""Configuration of Jamba's layers, read from a checkpoint's config.json. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from frameworkctl.interfaces import ConfigError

Raw = Mapping[str, Any]
ARCHITECTURE = "JambaForCausalLM"


class JambaConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``attention[i]``: layer i attends, else it is a Mamba mixer; ``experts[i]`` is how many its feed-forward has.

    ``state``, ``conv_width``, ``inner`` and ``dt_rank`` are sizes of the mixers: values per channel, inputs of the
    convolution, channels, and rank of the step size.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    heads: int
    kv_heads: int
    head_dim: int
    max_positions: int
    norm_eps: float
    tied: bool
    attention: tuple[bool, ...]
    experts: tuple[int, ...]
    experts_per_token: int
    state: int
    conv_width: int
    inner: int
    dt_rank: int
    conv_bias: bool
    mixer_bias: bool


def jamba_config(raw: Raw) -> JambaConfig:
    """Return the config.json of a Jamba; keys that are missing have the defaults of the published code.

    Raises:
        ConfigError: a value that the layers cannot be built with.
    """
    try:
        hidden, heads, attention = raw["hidden_size"], raw["num_attention_heads"], _every(raw, "attn_layer", 8, 4)
        vocab_size, inner = raw["vocab_size"], raw["intermediate_size"]
    except KeyError as e:
        raise ConfigError(f"config.json lacks {e.args[0]!r}") from None
    activation = raw.get("hidden_act", "silu")
    if activation not in ("silu", "swish"):
        raise ConfigError(f"config.json: hidden_act {activation!r} is not supported for Jamba (only silu)")
    experts, per_token = raw.get("num_experts", 16), raw.get("num_experts_per_tok", 2)
    if per_token > experts > 1:
        raise ConfigError(f"config.json: num_experts_per_tok {per_token} is more than num_experts {experts}")
    dt_rank = raw.get("mamba_dt_rank", "auto")
    return JambaConfig(
        vocab_size=vocab_size,
        hidden_size=hidden,
        intermediate_size=inner,
        heads=heads,
        kv_heads=raw.get("num_key_value_heads") or heads,
        head_dim=raw.get("head_dim") or hidden // heads,
        max_positions=raw.get("max_position_embeddings", 262144),
        norm_eps=raw.get("rms_norm_eps", 1e-6),
        tied=raw.get("tie_word_embeddings", False),
        attention=attention,
        experts=tuple(experts if chosen else 1 for chosen in _every(raw, "expert_layer", 2, 1)),
        experts_per_token=per_token,
        state=raw.get("mamba_d_state", 16),
        conv_width=raw.get("mamba_d_conv", 4),
        inner=raw.get("mamba_expand", 2) * hidden,
        dt_rank=-(-hidden // 16) if dt_rank == "auto" else dt_rank,
        conv_bias=raw.get("mamba_conv_bias", True),
        mixer_bias=raw.get("mamba_proj_bias", False),
    )


def _every(raw: Raw, name: str, period: int, offset: int) -> tuple[bool, ...]:
    """Return, for each layer, whether it is the one at ``offset`` of its ``period``."""
    period, offset = raw.get(f"{name}_period", period), raw.get(f"{name}_offset", offset)
    if not 0 <= offset < period:
        raise ConfigError(f"config.json: {name}_offset {offset} must be below {name}_period {period}")
    return tuple(i % period == offset for i in range(raw["num_hidden_layers"]))
