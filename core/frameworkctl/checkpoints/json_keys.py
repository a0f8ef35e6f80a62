"""Types of the values in a checkpoint's json files; checked once, when a file is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from frameworkctl.errors import ConfigError

Count = Annotated[int, msgspec.Meta(ge=1)]
OrNone = Annotated[int, msgspec.Meta(ge=0)]  # 0: to be computed
Counts = Count | list[Count]  # for all layers, or for each
Ids = int | list[int]


class NamedTemplate(msgspec.Struct):
    """One of several chat templates of a tokenizer_config.json."""

    name: str
    template: str


# Keys that mean the same in every family. Null is what is not there, but in those that no model is without.
NEVER_NULL = ("hidden_size", "num_hidden_layers", "vocab_size")
CONFIG: dict[str, Any] = {
    "architectures": list[str],
    "classifier_from_token": list[str],
    "dtype": str,
    "embedding_size": Count,
    "eos_token_id": Ids,
    "head_dim": OrNone,
    "hidden_act": str,
    "hidden_activation": str,
    "hidden_size": Count,
    "id2label": dict[int, Any],
    "intermediate_size": Counts,
    "is_causal": bool,
    "is_matryoshka": bool,
    "layer_norm_eps": float,
    "layer_types": list[str],
    "matryoshka_dimensions": list[Count],
    "max_position_embeddings": Count,
    "method": str,
    "model_type": str,
    "num_attention_heads": Counts,
    "num_hidden_layers": Count,
    "num_key_value_heads": Counts,
    "num_labels": Count,
    "problem_type": str,
    "quantization_config": dict[str, Any],
    "rms_norm_eps": float,
    "rope_parameters": dict[str, Any],
    "rope_scaling": dict[str, Any],
    "sbert_ce_default_activation_function": str,
    "sentence_transformers": dict[str, Any],
    "task_instructions": dict[str, str],
    "text_config": dict[str, Any],
    "tie_word_embeddings": bool,
    "torch_dtype": str,
    "use_sep_token": bool,
    "vocab_size": Count,
}
FILES: dict[str, dict[str, Any]] = {
    "config.json": CONFIG,
    "generation_config.json": {"eos_token_id": Ids},
    "tokenizer_config.json": {
        "chat_template": str | list[NamedTemplate],
        "tokenizer_class": str,
        "truncation_side": str,
    },
    "config_sentence_transformers.json": {"prompts": dict[str, str | None]},
}
MODULE = {  # of a folder of sentence-transformers
    "out_features": Count,
    "pooling_mode": str | list[str],
    "pooling_mode_cls_token": bool,
    "pooling_mode_lasttoken": bool,
    "pooling_mode_mean_tokens": bool,
}
SENTENCE = {"do_lower_case": bool, "max_seq_length": int}


def check_keys(path: Path, name: str, data: Mapping[str, Any]) -> None:
    """Check the keys of the file ``name``, relative to the checkpoint's folder. Raises ConfigError naming the file
    and the key.
    """
    if name.startswith("sentence_"):
        _check(path, SENTENCE, data)
    else:
        _check(path, MODULE if "/" in name else FILES.get(name, {}), data)
    if name == "config.json" and data.get("text_config") is not None:
        _check(path, CONFIG, data["text_config"], "text_config.")


def _check(path: Path, types: Mapping[str, Any], data: Mapping[str, Any], before: str = "") -> None:
    for key, type_ in types.items():
        if key not in data or (data[key] is None and key not in NEVER_NULL):
            continue
        try:
            msgspec.convert(data[key], type_, str_keys=True)
        except msgspec.ValidationError as e:
            raise ConfigError(f"{path}: {before}{key}: {e}") from None
