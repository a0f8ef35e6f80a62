"""Configuration of a model that Hugging Face modules run, and what of it cannot be run. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from frameworkctl.interfaces import ConfigError

Raw = Mapping[str, Any]

HIDDEN = ("hidden_size", "n_embd", "d_model", "embed_dim")
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
LENGTH = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length", "n_ctx")
TEXT_DECODERS = ("ForCausalLM", "LMHeadModel")
ATTENTION = ("full_attention", "sliding_attention", "attention")

# Architectures whose state is no list of keys and values, by model_type; others say so in layer_types.
STATEFUL = frozenset(
    {
        "bailing_hybrid",
        "bamba",
        "falcon_h1",
        "falcon_mamba",
        "granitemoehybrid",
        "jamba",
        "kimi_linear",
        "lfm2",
        "lfm2_moe",
        "mamba",
        "mamba2",
        "minimax",
        "nemotron_h",
        "olmo_hybrid",
        "qwen3_next",
        "recurrent_gemma",
        "rwkv",
        "xlstm",
        "zamba",
        "zamba2",
    }
)


def fact(raw: Raw, names: tuple[str, ...], what: str) -> int:
    """Return the first of ``names`` that config.json has. Raises ConfigError where it has none."""
    for name in names:
        if isinstance(raw.get(name), int):
            return int(raw[name])
    raise ConfigError(f"config.json lacks {what} ({' or '.join(names)})")


def refuse(raw: Raw, architecture: str) -> None:
    """Raise ConfigError with the reason where config.json alone shows that the model cannot be right here."""
    model_type = raw.get("model_type")
    if not isinstance(model_type, str):
        raise ConfigError("config.json lacks model_type, which tells transformers what to build")
    if raw.get("is_encoder_decoder"):
        raise ConfigError(f"{architecture} is an encoder-decoder; only decoders are run")
    if not architecture.endswith(TEXT_DECODERS):
        raise ConfigError(
            f"{architecture} is not a text decoder (its name does not end in {' or '.join(TEXT_DECODERS)})"
        )
    if model_type in STATEFUL:
        raise ConfigError(f"{model_type} has recurrent or convolution layers, whose state only native code can keep")
    others = sorted({str(t) for t in raw.get("layer_types") or ()} - set(ATTENTION))
    if others:
        raise ConfigError(
            f"{model_type} has layers of type {', '.join(others)}; only full and sliding attention is run"
        )


def usable_length(raw: Raw) -> int:
    """Longest sequence, in tokens.

    Rope types that change with the length of the longest sequence in a forward (``dynamic``, ``longrope``) are right in
    a batch of several sequences only where none of them is long enough for the change: their original length.
    """
    length = fact(raw, LENGTH, "a context length")
    for rope in _ropes(raw):
        if rope.get("rope_type", rope.get("type")) in ("dynamic", "longrope", "su"):
            original = rope.get("original_max_position_embeddings") or raw.get("original_max_position_embeddings")
            length = min(length, int(original or length))
    return length


def _ropes(raw: Raw) -> Iterator[Raw]:
    """Yield the rope parameters: one mapping, or one per layer type."""
    for key in ("rope_parameters", "rope_scaling"):
        rope = raw.get(key)
        if isinstance(rope, dict):
            yield rope
            yield from (nested for nested in rope.values() if isinstance(nested, dict))
