"""Configurations of architectures that have no native code here, and of some that cannot be run at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_SIZE: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_GPT2 = {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 512}
_LATENT = {
    "num_key_value_heads": 4,
    "kv_lora_rank": 16,
    "q_lora_rank": 24,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 12,
}
_EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 32}

RIGHT: dict[str, dict[str, Any]] = {
    "biogpt": {},
    "flex_olmo": {"num_experts": 4, "num_experts_per_tok": 2},
    "glm4_moe": {"n_routed_experts": 4, "first_k_dense_replace": 1, "head_dim": 16, **_EXPERTS},
    "gpt2": _GPT2,
    "gpt_bigcode": _GPT2 | {"n_inner": 128},  # one key head
    "jais2": {},
    "mimo_v2_flash": {"n_routed_experts": 4, "head_dim": 16, "v_head_dim": 12, "sliding_window": 40, **_EXPERTS},
    "minicpm3": _LATENT,  # values narrower than keys
    "modernbert-decoder": {"local_attention": 32},  # windows in some layers
    "opt": {"ffn_dim": 128, "word_embed_proj_dim": 64},
    "persimmon": {},
    "phimoe": {"num_local_experts": 4},
}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "bloom": ({"n_layer": 3, "n_head": 4}, "BloomForCausalLM takes no position_ids"),
    "codegen": (_GPT2 | {"rotary_dim": 8}, "does not use transformers' attention interface in transformer.h.0, "),
    "diffllama": ({}, "model.layers.0.self_attn calls attention more than once"),
    "doge": ({}, "model.layers.0.self_attn makes an attention mask of its own"),
    "falcon": ({}, "FalconForCausalLM does not use transformers' attention interface"),
    "mamba": ({}, "MambaForCausalLM takes no position_ids"),
    "qwen2_moe": (  # whose windows are in a mask only
        {"num_experts": 4, "use_sliding_window": True, "sliding_window": 24, "max_window_layers": 1, **_EXPERTS},
        "layer 0 should see a window of 24 tokens, its module asks for None",
    ),
    "roberta": ({}, "roberta.encoder.layer.0.attention.self looks at tokens to come"),
    "xglm": (
        {"d_model": 64, "ffn_dim": 128, "num_layers": 3, "attention_heads": 4},
        "does not use transformers' attention interface in model.layers.0, model.layers.1, model.layers.2",
    ),
}


def hf_config(model_type: str, own: dict[str, Any]) -> Any:
    """transformers' configuration of a tiny model."""
    from transformers import CONFIG_MAPPING

    return CONFIG_MAPPING[model_type](**_SIZE | own)


def make_generic(model_type: str, folder: Path) -> Path:
    """A random checkpoint of one of RIGHT or WRONG."""
    from frameworkctl.testing import random_checkpoint

    own = RIGHT[model_type] if model_type in RIGHT else WRONG[model_type][0]
    return random_checkpoint(hf_config(model_type, own), folder)


def only_config(folder: Path, **config: Any) -> Path:
    """A checkpoint folder of which nobody gets to see more than config.json."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder
