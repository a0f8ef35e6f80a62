"""Tiny random checkpoints in the Hugging Face format, made with transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VOCAB = 320
CHAT_TEMPLATE = (
    "{%- for m in messages %}{{- '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
_SIZE: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaForCausalLM", {"rope_parameters": _LLAMA3}),
    "qwen2": ("Qwen2ForCausalLM", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3ForCausalLM", {"head_dim": 32}),
    "mistral": ("MistralForCausalLM", {"sliding_window": 24, "head_dim": 16}),
    "gemma2": (
        "Gemma2ForCausalLM",
        {"head_dim": 32, "sliding_window": 20, "query_pre_attn_scalar": 24, "hidden_activation": "gelu_pytorch_tanh"},
    ),
}


def build_model(family: str, **changes: Any) -> Any:
    """A transformers model with a wide random initialisation, so that greedy choices have clear margins."""
    import torch
    import transformers

    name, own = FAMILIES[family]
    config_class = getattr(transformers, name.replace("ForCausalLM", "Config"))
    config = config_class(**{**_SIZE, **own, **changes}, initializer_range=0.15, attn_implementation="eager")
    torch.manual_seed(sum(map(ord, family)))
    model = getattr(transformers, name)(config).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "norm" in parameter_name or parameter_name.endswith("bias"):
                parameter.normal_(0.0 if "gemma" in family or "bias" in parameter_name else 1.0, 0.2)
    return model


def build_tokenizer() -> Any:
    """Byte-level BPE over a few words: 256 bytes, special tokens, merges."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=["<|pad|>", "<|bos|>", "<|eos|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        ["the quick brown fox jumps over the lazy dog and the other things there"] * 4, trainer
    )
    return tokenizer


def add_text_side(folder: Path) -> None:
    """Tokenizer, its config and a chat template."""
    build_tokenizer().save(str(folder / "tokenizer.json"))
    config = {
        "bos_token": "<|bos|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|pad|>",
        "tokenizer_class": "TokenizersBackend",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)


def make_checkpoint(
    family: str, folder: Path, *, dtype: str = "float32", shard: str | None = None, **changes: Any
) -> Path:
    """A checkpoint folder; ``shard`` is the largest size of a weight file (``100KB``)."""
    import torch

    model = build_model(family, **changes).to(getattr(torch, dtype))
    model.save_pretrained(folder, **({} if shard is None else {"max_shard_size": shard}))
    add_text_side(folder)
    return folder
