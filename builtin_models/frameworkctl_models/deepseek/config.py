"""Configuration of DeepSeek-V2 and V3, read from a checkpoint's config.json. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from frameworkctl.interfaces import ConfigError

from frameworkctl_models.rope import rope_parameters

Raw = Mapping[str, Any]
V2, V3 = "DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM"


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """Routing of a token to its ``per_token`` of ``experts`` experts, which stand in ``groups`` groups of equal size.

    Scores are ``sigmoid`` or ``softmax`` of the router's output. The ``kept_groups`` best groups take part; a group is
    as good as its ``best_of`` best experts together. ``bias``: a learned number per expert is added for choosing only.
    ``normalise``: the chosen scores are made to sum to one; then they are multiplied by ``scaling``.
    """

    experts: int
    per_token: int
    sigmoid: bool
    groups: int
    kept_groups: int
    best_of: int
    bias: bool
    normalise: bool
    scaling: float


class DeepseekConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``query_rank``: the queries' projection has a bottleneck this wide, None for one matrix. ``latent_rank`` values
    per token are cached for keys and values, beside ``rope_dim`` for the key's rotated part, which all heads share.

    A head's key has ``nope_dim`` numbers without position and ``rope_dim`` with; its value ``value_dim``.
    ``rope_interleaved``: the checkpoint's pairs are neighbours. ``sparse[i]``: layer i has ``routing.experts`` experts
    of ``expert_size`` and a shared MLP of ``shared_size`` (0: none), else one MLP of ``intermediate_size``.
    ``extra_layers`` follow in the files for drafting several tokens at once, and are not loaded.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    expert_size: int
    shared_size: int
    num_layers: int
    heads: int
    query_rank: int | None
    latent_rank: int
    nope_dim: int
    rope_dim: int
    value_dim: int
    max_positions: int
    norm_eps: float
    rope: dict[str, Any]
    rope_interleaved: bool
    activation: str
    attention_bias: bool
    mlp_bias: bool
    tied: bool
    sparse: tuple[bool, ...]
    routing: Routing
    extra_layers: int


def architecture_of(raw: Raw) -> str:
    """V2 or V3. Raises ConfigError for another architecture."""
    for name in raw.get("architectures") or ():
        if name in (V2, V3):
            return str(name)
    raise ConfigError(f"config.json: the architectures {raw.get('architectures')} are neither {V2} nor {V3}")


def deepseek_config(raw: Raw) -> DeepseekConfig:
    """Return the config.json of either version.

    Raises:
        ConfigError: a key that is missing, or a value that the layers cannot be built with.
    """
    try:
        return _read(raw)
    except KeyError as e:
        raise ConfigError(f"config.json lacks {e.args[0]!r}") from None


def _read(raw: Raw) -> DeepseekConfig:
    layers = raw["num_hidden_layers"]
    experts = raw.get("n_routed_experts")
    first, every = raw.get("first_k_dense_replace") or 0, raw.get("moe_layer_freq") or 1
    sparse = tuple(bool(experts) and i >= first and i % every == 0 for i in range(layers))
    return DeepseekConfig(
        vocab_size=raw["vocab_size"],
        hidden_size=raw["hidden_size"],
        intermediate_size=raw["intermediate_size"],
        expert_size=raw["moe_intermediate_size"] if any(sparse) else 0,
        shared_size=raw["moe_intermediate_size"] * (raw.get("n_shared_experts") or 0) if any(sparse) else 0,
        num_layers=layers,
        heads=raw["num_attention_heads"],
        query_rank=raw["q_lora_rank"],
        latent_rank=raw["kv_lora_rank"],
        nope_dim=raw["qk_nope_head_dim"],
        rope_dim=raw["qk_rope_head_dim"],
        value_dim=raw["v_head_dim"],
        max_positions=raw["max_position_embeddings"],
        norm_eps=raw.get("rms_norm_eps", 1e-6),
        rope=rope_parameters(raw),
        rope_interleaved=raw.get("rope_interleave", True),
        activation=raw.get("hidden_act", "silu"),
        attention_bias=raw.get("attention_bias", False),
        mlp_bias=raw.get("mlp_bias", False),
        tied=raw.get("tie_word_embeddings", False),
        sparse=sparse,
        routing=_routing(raw, experts or 0, raw["num_experts_per_tok"] if any(sparse) else 0),
        extra_layers=raw.get("num_nextn_predict_layers") or 0,
    )


def _routing(raw: Raw, experts: int, per_token: int) -> Routing:
    third = architecture_of(raw) == V3
    scoring = raw.get("scoring_func", "sigmoid" if third else "softmax")
    method = raw.get("topk_method", "noaux_tc" if third else "greedy")
    if scoring not in ("sigmoid", "softmax"):
        raise ConfigError(f"config.json: scoring_func {scoring!r} is not supported (only sigmoid, softmax)")
    if method not in ("greedy", "group_limited_greedy", "noaux_tc"):
        raise ConfigError(
            f"config.json: topk_method {method!r} is not supported (only greedy, group_limited_greedy, noaux_tc)"
        )
    groups = kept = 1
    if method != "greedy":
        groups = raw.get("n_group") or 1
        kept = raw.get("topk_group") or groups
    if experts % groups or not 0 < kept <= groups or per_token > kept * (experts // groups):
        raise ConfigError(
            f"config.json: {per_token} of {experts} experts (n_routed_experts) cannot be taken from {kept} (topk_group)"
            f" of {groups} groups (n_group)"
        )
    return Routing(
        experts=experts,
        per_token=per_token,
        sigmoid=scoring == "sigmoid",
        groups=groups,
        kept_groups=kept,
        best_of=2 if method == "noaux_tc" else 1,
        bias=method == "noaux_tc",
        normalise=bool(raw.get("norm_topk_prob", third)),
        scaling=float(raw.get("routed_scaling_factor", 2.5 if third else 1.0)),
    )
