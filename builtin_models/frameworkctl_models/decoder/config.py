"""The switches in which Llama-like decoders differ, filled from a checkpoint's config.json. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from frameworkctl.interfaces import ConfigError

Raw = Mapping[str, Any]


class DecoderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A decoder as the implementation builds it; defaults are Llama's.

    ``windows[i]`` is layer i's sliding window in tokens, None for full attention. ``attention_scale`` multiplies q k^T,
    ``embedding_scale`` the embeddings. ``sandwich`` normalises a block's output as well as its input.
    ``norm_plus_one``: weights are stored minus one.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    heads: int
    kv_heads: int
    head_dim: int
    max_positions: int
    norm_eps: float
    rope: dict[str, Any]
    activation: str
    tied: bool
    windows: tuple[int | None, ...]
    attention_scale: float
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    norm_plus_one: bool = False
    sandwich: bool = False
    embedding_scale: float | None = None
    attention_softcap: float | None = None
    final_softcap: float | None = None


SUPPORTED_ROPE = ("default", "llama3")


def rope_parameters(raw: Raw, theta: float = 10000.0) -> dict[str, Any]:
    """``rope_parameters``, or the older ``rope_theta`` with ``rope_scaling``, as one mapping.

    Raises:
        ConfigError: a rope_type that has no implementation here.
    """
    rope = dict(raw.get("rope_parameters") or raw.get("rope_scaling") or {})
    rope.setdefault("rope_type", rope.pop("type", "default"))
    rope.setdefault("rope_theta", raw.get("rope_theta", theta))
    if rope["rope_type"] not in SUPPORTED_ROPE:
        raise ConfigError(f"rope_type {rope['rope_type']!r} is not supported (only {', '.join(SUPPORTED_ROPE)})")
    return rope


def _base(
    raw: Raw, *, tied: bool, max_positions: int = 2048, activation: str = "silu", **changes: Any
) -> DecoderConfig:
    """What all families share; ``changes`` are a family's own switches."""
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
        "max_positions": raw.get("max_position_embeddings", max_positions),
        "norm_eps": raw.get("rms_norm_eps", 1e-6),
        "rope": rope_parameters(raw),
        "activation": raw.get("hidden_activation") or raw.get("hidden_act") or activation,
        "tied": raw.get("tie_word_embeddings", tied),
        "windows": (None,) * layers,
        "attention_scale": head_dim**-0.5,
    }
    return DecoderConfig(**{**values, **changes})


def _windows(raw: Raw, sliding: Callable[[int], bool]) -> tuple[int | None, ...]:
    """By ``layer_types`` where the file has them, else by ``sliding(layer)``."""
    types: list[str] | None = raw.get("layer_types")
    window: int | None = raw.get("sliding_window")
    layers = range(raw["num_hidden_layers"])
    flags = [t == "sliding_attention" for t in types] if types else [sliding(i) for i in layers]
    return tuple(window or None if flag else None for flag in flags)


def _same(window: int | None, raw: Raw) -> tuple[int | None, ...]:
    layers: int = raw["num_hidden_layers"]
    return (window,) * layers


def llama(raw: Raw) -> DecoderConfig:
    bias = raw.get("attention_bias", False)
    return _base(raw, tied=False, qkv_bias=bias, output_bias=bias, mlp_bias=raw.get("mlp_bias", False))


def mistral(raw: Raw) -> DecoderConfig:
    window: int | None = raw.get("sliding_window", 4096)
    return _base(raw, tied=False, max_positions=4096 * 32, windows=_same(window or None, raw))


def _qwen_windows(raw: Raw) -> tuple[int | None, ...]:
    if not raw.get("use_sliding_window", False):
        return _same(None, raw)
    return _windows(raw, lambda layer: layer >= raw.get("max_window_layers", 28))


def qwen2(raw: Raw) -> DecoderConfig:
    return _base(raw, tied=False, max_positions=32768, qkv_bias=True, windows=_qwen_windows(raw))


def qwen3(raw: Raw) -> DecoderConfig:
    bias = raw.get("attention_bias", False)
    return _base(
        {"head_dim": 128, **raw}, tied=False, max_positions=32768, qkv_bias=bias, output_bias=bias, qk_norm=True,
        windows=_qwen_windows(raw),
    )  # fmt: skip


def gemma2(raw: Raw) -> DecoderConfig:
    return _base(
        {"head_dim": 256, **raw}, tied=True, max_positions=8192, activation="gelu_pytorch_tanh",
        windows=_windows({"sliding_window": 4096, **raw}, lambda layer: layer % 2 == 0),
        attention_scale=raw.get("query_pre_attn_scalar", 256) ** -0.5,
        embedding_scale=raw["hidden_size"] ** 0.5,
        attention_softcap=raw.get("attn_logit_softcapping", 50.0),
        final_softcap=raw.get("final_logit_softcapping", 30.0),
        norm_plus_one=True, sandwich=True,
    )  # fmt: skip


Family = Callable[[Raw], DecoderConfig]

FAMILIES: dict[str, Family] = {
    "Gemma2ForCausalLM": gemma2,
    "LlamaForCausalLM": llama,
    "MistralForCausalLM": mistral,
    "Qwen2ForCausalLM": qwen2,
    "Qwen3ForCausalLM": qwen3,
}


def architecture_of(raw: Raw) -> str:
    """The first of the config's architectures that is a family here."""
    for name in raw.get("architectures") or ():
        if name in FAMILIES:
            return str(name)
    raise ConfigError(f"none of the architectures {raw.get('architectures')} is a decoder family")


def decoder_config(raw: Raw) -> DecoderConfig:
    """The config.json of any family here."""
    return FAMILIES[architecture_of(raw)](raw)
