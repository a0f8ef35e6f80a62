"""Common part of the families' config.json files, read into a DecoderConfig. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from frameworkctl.interfaces import ConfigError

from frameworkctl_models.decoder.config import DecoderConfig
from frameworkctl_models.rope import rope_parameters

Raw = Mapping[str, Any]


def base(
    raw: Raw,
    *,
    tied: bool = False,
    max_positions: int = 2048,
    activation: str = "silu",
    eps: str = "rms_norm_eps",
    default_eps: float = 1e-6,
    theta: float = 10000.0,
    partial: float = 1.0,
    **changes: Any,
) -> DecoderConfig:
    """Return what all families share; ``changes`` are a family's own switches.

    ``eps`` is the name of the norms' epsilon; the other arguments are the family's defaults.

    Raises:
        ConfigError: a size is missing, or the rotary parameters cannot be read.
    """
    try:
        heads, layers = raw["num_attention_heads"], raw["num_hidden_layers"]
        head_dim = raw.get("head_dim") or raw["hidden_size"] // heads
        values: dict[str, Any] = {
            "vocab_size": raw["vocab_size"],
            "hidden_size": raw["hidden_size"],
            "intermediate_size": raw["intermediate_size"],
        }
    except KeyError as e:
        raise ConfigError(f"config.json lacks {e.args[0]!r}") from None
    values |= {
        "num_layers": layers,
        "heads": heads,
        "kv_heads": raw.get("num_key_value_heads") or heads,
        "head_dim": head_dim,
        "max_positions": raw.get("max_position_embeddings") or max_positions,
        "norm_eps": raw.get(eps, default_eps),
        "activation": raw.get("hidden_activation") or raw.get("hidden_act") or activation,
        "tied": raw.get("tie_word_embeddings", tied),
        "windows": (None,) * layers,
        "attention_scale": head_dim**-0.5,
        "layer_ropes": (0,) * layers,
        "bidirectional": raw.get("is_causal") is False,
    }
    if "ropes" not in changes:
        values["ropes"] = (rope_parameters(raw, theta=theta, partial=partial),)
    return DecoderConfig(**{**values, **changes})


def sliding(raw: Raw, otherwise: Callable[[int], bool]) -> tuple[bool, ...]:
    """Return which layers slide: by ``layer_types`` where the file has them, else by ``otherwise(layer)``."""
    types: list[str] | None = raw.get("layer_types")
    return tuple(t == "sliding_attention" for t in types) if types else by_layer(raw, otherwise)


def by_layer(raw: Raw, rule: Callable[[int], bool]) -> tuple[bool, ...]:
    return tuple(rule(layer) for layer in range(raw["num_hidden_layers"]))


def windows(slides: tuple[bool, ...], window: int | None) -> tuple[int | None, ...]:
    return tuple(window or None if slide else None for slide in slides)


def every(window: int | None, raw: Raw) -> tuple[int | None, ...]:
    return windows((True,) * raw["num_hidden_layers"], window)


def ropes_by_type(raw: Raw, slides: tuple[bool, ...], full: float, local: float) -> dict[str, Any]:
    """Return one rope for layers that see everything and one for those that slide; an old file scales only the first.

    ``full`` and ``local`` are the default thetas.
    """
    if "full_attention" in (raw.get("rope_parameters") or {}):
        ropes = tuple(rope_parameters(raw, layer_type=t) for t in ("full_attention", "sliding_attention"))
    else:
        plain = {k: v for k, v in raw.items() if k not in ("rope_scaling", "rope_parameters", "rope_theta")}
        own = raw.get("rope_local_base_freq", local)
        ropes = (rope_parameters(raw, theta=full), rope_parameters(plain, theta=own))
    return {"ropes": ropes, "layer_ropes": tuple(int(slide) for slide in slides)}
