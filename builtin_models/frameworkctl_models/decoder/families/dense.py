"""Each dense family's deltas from Llama, as a function from its config.json to a DecoderConfig. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from frameworkctl_models.decoder.config import ONE, POST, SANDWICH, DecoderConfig, Names, Norms
from frameworkctl_models.rope import rope_parameters

from .reading import Raw, base, by_layer, every, ropes_by_type, sliding, windows

PACKED_QKV = ("qkv_proj", "qkv_proj", "qkv_proj")


def llama(raw: Raw, **changes: Any) -> DecoderConfig:
    bias = raw.get("attention_bias", False)
    shared = {"qkv_bias": bias, "output_bias": bias, "mlp_bias": raw.get("mlp_bias", False)}
    return base(raw, **{**shared, **changes})


def llama_bidirectional(raw: Raw) -> DecoderConfig:
    return llama(raw, bidirectional=True)


def mistral(raw: Raw) -> DecoderConfig:
    return base(raw, max_positions=4096 * 32, windows=every(raw.get("sliding_window", 4096), raw))


def ministral3(raw: Raw) -> DecoderConfig:
    rope = rope_parameters(raw, theta=1e6)
    beta, original = rope.get("llama_4_scaling_beta"), rope.get("original_max_position_embeddings")
    return base(
        raw, windows=every(raw.get("sliding_window"), raw), ropes=(rope,),
        query_scale=(beta, original) if beta and original else None,
    )  # fmt: skip


def qwen_windows(raw: Raw) -> tuple[int | None, ...]:
    if not raw.get("use_sliding_window", False):
        return every(None, raw)
    slides = sliding(raw, lambda layer: layer >= raw.get("max_window_layers", 28))
    return windows(slides, raw.get("sliding_window"))


def qwen2(raw: Raw) -> DecoderConfig:
    return base(raw, max_positions=32768, qkv_bias=True, windows=qwen_windows(raw))


def qwen3(raw: Raw) -> DecoderConfig:
    return llama({"head_dim": 128, **raw}, max_positions=32768, qk_norm="head", windows=qwen_windows(raw))


def phi3(raw: Raw) -> DecoderConfig:
    return base(
        raw, max_positions=4096, default_eps=1e-5, windows=every(raw.get("sliding_window"), raw),
        names=Names(qkv=PACKED_QKV, gate="gate_up_proj", up="gate_up_proj"),
    )  # fmt: skip


def _gemma(raw: Raw, **changes: Any) -> DecoderConfig:
    shared: dict[str, Any] = {
        "tied": True, "max_positions": 8192, "activation": "gelu_pytorch_tanh", "norm_plus_one": True,
        "row_scale": raw["hidden_size"] ** 0.5,
    }  # fmt: skip
    return llama({"head_dim": 256, **raw}, **{**shared, **changes})


def gemma(raw: Raw) -> DecoderConfig:
    """Read Gemma's config, whose early files say ``gelu`` and mean the tanh form."""
    exact = raw.get("hidden_activation") or raw.get("hidden_act")
    return _gemma({**raw, "hidden_activation": "gelu_pytorch_tanh" if exact == "gelu" else exact})


def _capped(raw: Raw) -> dict[str, Any]:
    return {
        "attention_scale": raw.get("query_pre_attn_scalar", 256) ** -0.5,
        "attention_softcap": raw.get("attn_logit_softcapping", 50.0),
        "final_softcap": raw.get("final_logit_softcapping", 30.0),
    }


def gemma2(raw: Raw) -> DecoderConfig:
    slides = sliding(raw, lambda layer: layer % 2 == 0)
    return _gemma(raw, windows=windows(slides, raw.get("sliding_window", 4096)), norms=SANDWICH, **_capped(raw))


def vaultgemma(raw: Raw) -> DecoderConfig:
    slides = sliding(raw, lambda layer: layer % 2 == 0)
    return _gemma(
        raw, windows=windows(slides, raw.get("sliding_window", 4096)),
        norms=Norms(before_mlp="pre_feedforward_layernorm"), **_capped(raw),
    )  # fmt: skip


def gemma3(raw: Raw) -> DecoderConfig:
    pattern = raw.get("sliding_window_pattern") or raw.get("_sliding_window_pattern") or 6
    slides = sliding(raw, lambda layer: (layer + 1) % pattern != 0)
    window, both_ways = raw.get("sliding_window", 4096), bool(raw.get("use_bidirectional_attention"))
    uncapped = {"attn_logit_softcapping": None, "final_logit_softcapping": None, **raw}
    return _gemma(
        raw, max_positions=131072, qk_norm="head", windows=windows(slides, window // 2 + 1 if both_ways else window),
        norms=SANDWICH, bidirectional=both_ways, **_capped(uncapped), **ropes_by_type(raw, slides, 1e6, 1e4),
    )  # fmt: skip


def granite(raw: Raw, **changes: Any) -> DecoderConfig:
    scales = {
        "attention_scale": raw.get("attention_multiplier", 1.0),
        "embedding_scale": raw.get("embedding_multiplier", 1.0),
        "residual_scale": raw.get("residual_multiplier", 1.0),
        "logits_scale": 1.0 / raw.get("logits_scaling", 1.0),
    }
    return llama(raw, **scales, **changes)


def olmo(raw: Raw) -> DecoderConfig:
    return llama({**raw, "norm_eps": 1e-5}, eps="norm_eps", norm="none", qkv_clip=raw.get("clip_qkv"))


def olmo2(raw: Raw, **changes: Any) -> DecoderConfig:
    return llama(raw, default_eps=1e-5, norms=POST, qk_norm="full", late_cast=True, **changes)


def olmo3(raw: Raw) -> DecoderConfig:
    slides = sliding(raw, lambda layer: (layer + 1) % 4 != 0)
    theta = raw.get("rope_theta", 500000.0)
    return olmo2(
        raw, windows=windows(slides, raw.get("sliding_window", 4096)), **ropes_by_type(raw, slides, theta, theta)
    )


def smollm3(raw: Raw) -> DecoderConfig:
    interval = raw.get("no_rope_layer_interval", 4)
    rotated = raw.get("no_rope_layers") or by_layer(raw, lambda layer: (layer + 1) % interval != 0)
    slides = (
        sliding(raw, lambda layer: bool(rotated[layer]))
        if raw.get("use_sliding_window")
        else by_layer(raw, lambda layer: False)
    )
    return llama(
        raw, tied=True, max_positions=32768, theta=2e6, windows=windows(slides, raw.get("sliding_window")),
        layer_ropes=tuple(0 if on else None for on in rotated),
    )  # fmt: skip


def stablelm(raw: Raw) -> DecoderConfig:
    return base(
        raw, max_positions=4096, eps="layer_norm_eps", default_eps=1e-5, partial=raw.get("rope_pct", 0.25),
        norm="layer", qkv_bias=raw.get("use_qkv_bias", False),
        qk_norm="own_tensors" if raw.get("qk_layernorm") else None, qk_norm_kind="layer_no_bias",
        names=Names(q_norm="q_layernorm.norms.{}", k_norm="k_layernorm.norms.{}"),
        parallel=raw.get("use_parallel_residual", False),
        norms=ONE if raw.get("use_parallel_residual") else Norms(),
    )  # fmt: skip


def cohere(raw: Raw, **changes: Any) -> DecoderConfig:
    bias = raw.get("attention_bias", False)
    return base(
        raw, tied=True, max_positions=8192, eps="layer_norm_eps", default_eps=1e-5, norm="layer_no_bias", parallel=True,
        norms=ONE, rope_interleaved=True, qkv_bias=bias, output_bias=bias, logits_scale=raw.get("logit_scale", 0.0625),
        qk_norm="own" if raw.get("use_qk_norm") else None, qk_norm_kind="layer_no_bias", **changes,
    )  # fmt: skip


def cohere2(raw: Raw) -> DecoderConfig:
    pattern = raw.get("sliding_window_pattern") or 4
    slides = sliding(raw, lambda layer: (layer + 1) % pattern != 0)
    return cohere(
        {**raw, "use_qk_norm": False}, windows=windows(slides, raw.get("sliding_window", 4096)),
        layer_ropes=tuple(0 if slide else None for slide in slides),
    )  # fmt: skip


def glm(raw: Raw, **changes: Any) -> DecoderConfig:
    return base(
        {"head_dim": 128, **raw}, max_positions=131072, default_eps=1.5625e-7, partial=0.5, rope_interleaved=True,
        qkv_bias=raw.get("attention_bias", True), names=Names(gate="gate_up_proj", up="gate_up_proj"), **changes,
    )  # fmt: skip


def glm4(raw: Raw) -> DecoderConfig:
    norms = Norms(
        after_attention="post_self_attn_layernorm",
        before_mlp="post_attention_layernorm",
        after_mlp="post_mlp_layernorm",
    )
    return glm(raw, norms=norms)


def nemotron(raw: Raw) -> DecoderConfig:
    return llama(
        raw, max_positions=4096, activation="relu2", eps="norm_eps", default_eps=1e-5, norm="layer", norm_plus_one=True,
        gated=False, partial=raw.get("partial_rotary_factor", raw.get("rope_percent", 0.5)),
    )  # fmt: skip


def arcee(raw: Raw) -> DecoderConfig:
    return llama(raw, max_positions=4096, activation="relu2", default_eps=1e-5, gated=False)


def apertus(raw: Raw) -> DecoderConfig:
    return llama(
        raw, max_positions=65536, activation="xielu", default_eps=1e-5, theta=12e6, gated=False, qk_norm="head",
        norms=Norms(before_attention="attention_layernorm", before_mlp="feedforward_layernorm"),
    )  # fmt: skip


def exaone4(raw: Raw) -> DecoderConfig:
    """Full layers are not rotated in a model that has sliding ones."""
    window, pattern = raw.get("sliding_window", 4096), raw.get("sliding_window_pattern", 4)
    if isinstance(pattern, str):
        slides = sliding(raw, lambda layer: pattern[layer % len(pattern)] == "L")
    else:
        slides = sliding(raw, lambda layer: bool(window and pattern) and (layer + 1) % pattern != 0)
    return base(
        raw, default_eps=1e-5, norms=POST, qk_norm="head", windows=windows(slides, window),
        layer_ropes=tuple(0 if slide or not window else None for slide in slides),
    )  # fmt: skip


def seed_oss(raw: Raw) -> DecoderConfig:
    return base(
        {"head_dim": 128, **raw}, max_positions=524288, qkv_bias=raw.get("attention_bias", True),
        output_bias=raw.get("attention_out_bias", False), mlp_bias=raw.get("mlp_bias", False),
    )  # fmt: skip


def ernie4_5(raw: Raw) -> DecoderConfig:
    bias = raw.get("use_bias", False)
    return base(
        {"head_dim": 128, **raw}, tied=True, max_positions=131072, default_eps=1e-5, theta=5e5, rope_interleaved=True,
        qkv_bias=bias, output_bias=bias, mlp_bias=bias,
    )  # fmt: skip


def hunyuan_dense(raw: Raw) -> DecoderConfig:
    """Return ``alpha`` stretches the base once and for all, although its files call that dynamic."""
    rope = rope_parameters(raw)
    dim = raw.get("head_dim") or raw["hidden_size"] // raw["num_attention_heads"]
    if rope["rope_type"] == "dynamic" and rope.get("alpha"):
        rope = {"rope_type": "default", "rope_theta": rope["rope_theta"] * rope["alpha"] ** (dim / (dim - 2))}
    names = Names(q_norm="query_layernorm", k_norm="key_layernorm")
    return llama(raw, default_eps=1e-5, ropes=(rope,), qk_norm="head", qk_norm_after_rope=True, names=names)


def helium(raw: Raw) -> DecoderConfig:
    return base(
        raw, max_positions=4096, default_eps=1e-8, theta=1e5, rope_interleaved=True,
        qkv_bias=raw.get("attention_bias", False), mlp_bias=raw.get("mlp_bias", False), late_cast=True,
    )  # fmt: skip


def starcoder2(raw: Raw) -> DecoderConfig:
    bias = raw.get("use_bias", True)
    return base(
        raw, tied=True, max_positions=4096, activation="gelu_pytorch_tanh", eps="norm_epsilon", default_eps=1e-5,
        norm="layer", gated=False, qkv_bias=bias, output_bias=bias, mlp_bias=bias,
        names=Names(up="c_fc", down="c_proj"), windows=every(raw.get("sliding_window"), raw),
    )  # fmt: skip


def phi(raw: Raw) -> DecoderConfig:
    return base(
        raw, activation="gelu_new", eps="layer_norm_eps", default_eps=1e-5, partial=0.5, norm="layer", parallel=True,
        norms=ONE, gated=False, qkv_bias=True, output_bias=True, mlp_bias=True, head_bias=True,
        qk_norm="head" if raw.get("qk_layernorm") else None, qk_norm_kind="layer",
        names=Names(
            output="dense", up="fc1", down="fc2", q_norm="q_layernorm", k_norm="k_layernorm",
            last_norm="model.final_layernorm",
        ),
    )  # fmt: skip


def cwm(raw: Raw) -> DecoderConfig:
    slides = sliding(raw, lambda layer: layer % 4 != 0)
    return base(
        {"head_dim": 128, **raw}, max_positions=131072, default_eps=1e-5, theta=1e6,
        mlp_bias=raw.get("mlp_bias", False), windows=windows(slides, raw.get("sliding_window", 8192)),
    )  # fmt: skip


def bitnet(raw: Raw) -> DecoderConfig:
    return llama(raw, activation="relu2", default_eps=1e-5, theta=5e5, block_norms=True)


Family = Callable[[Raw], DecoderConfig]
