"""Each encoder family's deltas from BERT, as a function from its config.json to an EncoderConfig. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from frameworkctl.interfaces import ConfigError

from frameworkctl_models.rope import rope_parameters

from .config import EncoderConfig, Head, Names

Raw = Mapping[str, Any]
CLASSIFIER = Head(out="classifier")


def _base(
    raw: Raw,
    *,
    hidden: str = "hidden_size",
    layers: str = "num_hidden_layers",
    heads: str = "num_attention_heads",
    inner: str = "intermediate_size",
    **changes: Any,
) -> EncoderConfig:
    """Return what all families share; the named arguments are what config.json calls the sizes.

    Raises:
        ConfigError: a size is missing, or the heads do not divide the hidden size.
    """
    try:
        values: dict[str, Any] = {
            "vocab_size": raw["vocab_size"], "hidden_size": raw[hidden], "intermediate_size": raw[inner],
            "num_layers": raw[layers], "heads": raw[heads],
        }  # fmt: skip
    except KeyError as e:
        raise ConfigError(f"config.json lacks {e.args[0]!r}") from None
    if values["hidden_size"] % values["heads"]:
        raise ConfigError(f"config.json: {hidden} {values['hidden_size']} is no multiple of {heads} {values['heads']}")
    values |= {
        "max_positions": raw.get("max_position_embeddings") or 512,
        "norm_eps": raw.get("layer_norm_eps", 1e-12),
        "activation": raw.get("hidden_act", "gelu"),
        "windows": (None,) * values["num_layers"],
        "layer_ropes": (None,) * values["num_layers"],
        "token_head": CLASSIFIER,
    }
    return EncoderConfig(**{**values, **changes})


def bert(raw: Raw) -> EncoderConfig:
    kind = raw.get("position_embedding_type", "absolute")
    if kind != "absolute":
        raise ConfigError(f"config.json: position_embedding_type {kind!r} is not supported (only absolute)")
    if raw.get("is_decoder"):
        raise ConfigError("config.json: is_decoder is set; only the bidirectional form is run")
    return _base(
        raw, prefix="bert.", token_types=raw.get("type_vocab_size", 2),
        sequence_head=Head(dense="pooler.dense", out="classifier"),
    )  # fmt: skip


def _after_padding(raw: Raw, padding: int) -> dict[str, Any]:
    """Positions are counted from the padding token's id on, so that the table has that many rows that no text uses."""
    offset = padding + 1
    return {"position_offset": offset, "max_positions": raw.get("max_position_embeddings", 512) - offset}


def roberta(raw: Raw) -> EncoderConfig:
    kind = raw.get("position_embedding_type", "absolute")
    if kind != "absolute":
        raise ConfigError(f"config.json: position_embedding_type {kind!r} is not supported (only absolute)")
    padding = raw.get("pad_token_id")
    return _base(
        raw, prefix="roberta.", token_types=raw.get("type_vocab_size", 2),
        sequence_head=Head(dense="classifier.dense", out="classifier.out_proj"),
        **_after_padding(raw, 1 if padding is None else padding),
    )  # fmt: skip


def distilbert(raw: Raw) -> EncoderConfig:
    names = Names(
        types=None, layer="transformer.layer", qkv=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        output="attention.out_lin", attention_norm="sa_layer_norm", up="ffn.lin1", down="ffn.lin2",
        mlp_norm="output_layer_norm",
    )  # fmt: skip
    return _base(
        raw, hidden="dim", layers="n_layers", heads="n_heads", inner="hidden_dim", prefix="distilbert.", names=names,
        activation=raw.get("activation", "gelu"), norm_eps=1e-12,
        sequence_head=Head(dense="pre_classifier", activation="relu", out="classifier"),
        unused=("vocab_transform.", "vocab_layer_norm.", "vocab_projector.", "pre_classifier.", "classifier."),
    )  # fmt: skip


def mpnet(raw: Raw) -> EncoderConfig:
    """Read MPNet's config; its positions begin after the padding token, whose id is 1 whatever the config says."""
    names = Names(
        types=None, qkv=("attention.attn.q", "attention.attn.k", "attention.attn.v"), output="attention.attn.o",
        attention_norm="attention.LayerNorm", relative="encoder.relative_attention_bias",
    )  # fmt: skip
    return _base(
        raw, prefix="mpnet.", names=names, buckets=raw.get("relative_attention_num_buckets", 32),
        sequence_head=Head(dense="classifier.dense", out="classifier.out_proj"), **_after_padding(raw, 1),
    )  # fmt: skip


def modernbert(raw: Raw) -> EncoderConfig:
    names = Names(
        words="embeddings.tok_embeddings", positions=None, types=None, embedding_norm="embeddings.norm", layer="layers",
        qkv=("attn.Wqkv",) * 3, output="attn.Wo", attention_norm="attn_norm", up="mlp.Wi", down="mlp.Wo",
        mlp_norm="mlp_norm", last_norm="final_norm",
    )  # fmt: skip
    every = raw.get("global_attn_every_n_layers", 3)
    types: list[str] = raw.get("layer_types") or [
        "sliding_attention" if layer % every else "full_attention" for layer in range(raw.get("num_hidden_layers", 0))
    ]
    slides = [kind == "sliding_attention" for kind in types]
    head = Head(
        dense="head.dense", activation=raw.get("classifier_activation", "gelu"), norm="head.norm", out="classifier",
        dense_bias=raw.get("classifier_bias", False),
    )  # fmt: skip
    pooler = raw.get("classifier_pooling", "cls")
    if pooler not in ("cls", "mean"):
        raise ConfigError(f"config.json: classifier_pooling {pooler!r} is not one of cls, mean")
    return _base(
        {"max_position_embeddings": 8192, **raw}, prefix="model.", names=names,
        norm_eps=raw.get("norm_eps", 1e-5), activation=raw.get("hidden_activation", "gelu"), prenorm=True, gated=True,
        norm_bias=raw.get("norm_bias", False), attention_bias=raw.get("attention_bias", False),
        mlp_bias=raw.get("mlp_bias", False), sequence_head=head, token_head=head, sequence_pooler=pooler,
        windows=tuple(raw.get("local_attention", 128) // 2 if slide else None for slide in slides),
        ropes=_modernbert_ropes(raw), layer_ropes=tuple(int(slide) for slide in slides),
        unused=("head.", "decoder.", "classifier."),
    )  # fmt: skip


def _modernbert_ropes(raw: Raw) -> tuple[dict[str, Any], ...]:
    """Return the rotary options of full and sliding layers; older files have only a base for each."""
    ropes = []
    plain = {k: v for k, v in raw.items() if k != "rope_theta"}
    for kind, old, theta in (("full_attention", "global", 160000.0), ("sliding_attention", "local", 10000.0)):
        base = raw.get(f"{old}_rope_theta") or theta
        if kind in (raw.get("rope_parameters") or {}):
            ropes.append(rope_parameters(plain, theta=base, layer_type=kind))
        else:
            ropes.append(rope_parameters({**plain, "rope_parameters": raw.get("rope_scaling")}, theta=base))
    return tuple(ropes)


Family = Callable[[Raw], EncoderConfig]

FAMILIES: dict[str, Family] = {
    "Bert": bert,
    "DistilBert": distilbert,
    "MPNet": mpnet,
    "ModernBert": modernbert,
    "Roberta": roberta,
    "XLMRoberta": roberta,
}
EMBEDDERS = ("Model", "ForMaskedLM")
SEQUENCE_CLASSIFIER, TOKEN_CLASSIFIER = "ForSequenceClassification", "ForTokenClassification"
SUFFIXES = (*EMBEDDERS, SEQUENCE_CLASSIFIER, TOKEN_CLASSIFIER)
COLBERT = "HF_ColBERT"  # a BERT whose states are projected, token by token, to be compared
ARCHITECTURES = (COLBERT, *(family + suffix for family in FAMILIES for suffix in SUFFIXES))


def architecture_of(raw: Raw) -> str:
    """Return the first of the config's architectures that is a family here."""
    for name in raw.get("architectures") or ():
        if name in ARCHITECTURES:
            return str(name)
    raise ConfigError(f"none of the architectures {raw.get('architectures')} is an encoder family")


def encoder_config(raw: Raw) -> EncoderConfig:
    """Return the config.json of any family here."""
    architecture = architecture_of(raw)
    if architecture == COLBERT:
        return bert(raw)
    suffix = next(s for s in SUFFIXES if architecture.endswith(s))
    return FAMILIES[architecture.removesuffix(suffix)](raw)
