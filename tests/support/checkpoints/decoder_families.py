"""A tiny config of every decoder family beyond the first five, with the family's switches turned on."""

from __future__ import annotations

from typing import Any

from support.checkpoints.tiny import VOCAB

SIZE: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_EXPERTS = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 48}
_ROPES = {
    "linear": {"rope_type": "linear", "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "factor": 4.0},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "beta_fast": 8.0},
    "yarn-mscale": {
        "rope_type": "yarn",
        "factor": 8.0,
        "original_max_position_embeddings": 32,
        "mscale": 0.7,
        "mscale_all_dim": 1.3,
        "truncate": False,
    },
}

# name -> (transformers config class, what differs from SIZE)
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "phi3": ("Phi3Config", {"sliding_window": 24}),
    "phi3-partial": (
        "Phi3Config",
        {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}},
    ),
    "gemma": ("GemmaConfig", {"head_dim": 32}),
    "gemma3": (
        "Gemma3TextConfig",
        {
            "head_dim": 32,
            "sliding_window": 20,
            "query_pre_attn_scalar": 24,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
        },
    ),
    "vaultgemma": ("VaultGemmaConfig", {"head_dim": 32, "sliding_window": 20, "query_pre_attn_scalar": 24}),
    "granite": (
        "GraniteConfig",
        {
            "attention_multiplier": 0.3,
            "embedding_multiplier": 3.0,
            "residual_multiplier": 0.6,
            "logits_scaling": 2.0,
            "attention_bias": True,
            "mlp_bias": True,
        },
    ),
    "olmo": ("OlmoConfig", {"clip_qkv": 0.6}),
    "olmo2": ("Olmo2Config", {}),
    "olmo3": ("Olmo3Config", {"sliding_window": 20}),
    "smollm3": ("SmolLM3Config", {"no_rope_layers": [1, 0, 1, 0]}),
    "stablelm": ("StableLmConfig", {"use_qkv_bias": True, "qk_layernorm": True}),
    "stablelm-parallel": ("StableLmConfig", {"use_parallel_residual": True}),
    "cohere": ("CohereConfig", {"use_qk_norm": True, "logit_scale": 0.3}),
    "cohere2": ("Cohere2Config", {"sliding_window": 20, "logit_scale": 0.3}),
    "glm": ("GlmConfig", {"head_dim": 32}),
    "glm4": ("Glm4Config", {"head_dim": 32}),
    "nemotron": ("NemotronConfig", {"attention_bias": True, "mlp_bias": True, "head_dim": 16}),
    "arcee": ("ArceeConfig", {"mlp_bias": True, "head_dim": 16}),
    "apertus": ("ApertusConfig", {}),
    "exaone4": ("Exaone4Config", {"sliding_window": 20}),
    "exaone4-full": ("Exaone4Config", {"sliding_window": None, "layer_types": ["full_attention"] * 4}),
    "seed_oss": ("SeedOssConfig", {"head_dim": 32}),
    "ernie4_5": ("Ernie4_5Config", {"head_dim": 32, "use_bias": True}),
    "hunyuan": ("HunYuanDenseV1Config", {"head_dim": 16}),
    "hunyuan-alpha": (
        "HunYuanDenseV1Config",
        {"head_dim": 16, "rope_parameters": {"rope_type": "dynamic", "alpha": 50.0, "factor": 1.0, "rope_theta": 1e4}},
    ),
    "helium": ("HeliumConfig", {"head_dim": 16}),
    "starcoder2": ("Starcoder2Config", {"sliding_window": 24}),
    "phi": ("PhiConfig", {"qk_layernorm": True}),
    "cwm": ("CwmConfig", {"head_dim": 16, "sliding_window": 20}),
    "bitnet": ("BitNetConfig", {}),
    "ministral3": (
        "Ministral3Config",
        {
            "head_dim": 16,
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 1e4,
                "factor": 8.0,
                "original_max_position_embeddings": 32,
                "llama_4_scaling_beta": 0.4,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
                "mscale": 1.0,
                "mscale_all_dim": 1.0,
            },
        },
    ),
    "qwen2-window": ("Qwen2Config", {"use_sliding_window": True, "sliding_window": 20, "max_window_layers": 2}),
    "mixtral": ("MixtralConfig", {"num_local_experts": 6, "num_experts_per_tok": 2, "sliding_window": 24}),
    "qwen2_moe": ("Qwen2MoeConfig", {**_EXPERTS, "shared_expert_intermediate_size": 80, "mlp_only_layers": [2]}),
    "qwen3_moe": ("Qwen3MoeConfig", {**_EXPERTS, "head_dim": 32, "norm_topk_prob": True, "decoder_sparse_step": 2}),
    "olmoe": ("OlmoeConfig", {"num_experts": 6, "num_experts_per_tok": 2, "clip_qkv": 2.0}),
    "granitemoe": (
        "GraniteMoeConfig",
        {
            "num_local_experts": 6,
            "num_experts_per_tok": 2,
            "residual_multiplier": 0.6,
            "attention_multiplier": 0.3,
            "logits_scaling": 2.0,
        },
    ),
    **{
        f"llama-{name}": ("LlamaConfig", {"rope_parameters": {"rope_theta": 1e4, **rope}})
        for name, rope in _ROPES.items()
    },
}


def config_of(family: str) -> Any:
    """The transformers config."""
    import transformers

    name, own = CONFIGS[family]
    return getattr(transformers, name)(**{**SIZE, **own})
