"""Classes in config.json: their names, and the activation of their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from frameworkctl.errors import ConfigError
from frameworkctl.interfaces.pooling import Activation

DEFAULT_LABELS = 2  # config.json leaves this number out, and then their names too
TORCH_CLASSES = "torch.nn.modules."
ACTIVATIONS: dict[str, Activation] = {"Identity": "identity", "Sigmoid": "sigmoid", "Softmax": "softmax"}
METHODS = ("from_2_way_softmax", "no_post_processing")


def labels_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return names of the classes in order; ``LABEL_0`` and so on where there are none."""
    names = config.get("id2label")
    given = {int(k): str(v) for k, v in names.items()} if isinstance(names, Mapping) else {}
    count = config.get("num_labels")
    count = count if isinstance(count, int) else len(given) or DEFAULT_LABELS
    return tuple(given.get(i, f"LABEL_{i}") for i in range(count))


def activation_of(config: Mapping[str, Any], count: int) -> Activation:
    """Return the activation of ``count`` classes: by problem type, else as sentence-transformers stored it, else by
    number.

    Raises:
        ConfigError: an activation that is not ours to run.
    """
    usual: Activation = "softmax" if count >= 2 else "sigmoid"
    match config.get("problem_type"):
        case "regression":
            return "identity"
        case "single_label_classification":
            return usual
        case "multi_label_classification":
            return "sigmoid"
    named = (config.get("sentence_transformers") or {}).get("activation_fn")
    named = named or config.get("sbert_ce_default_activation_function")
    if named is None:
        return usual
    word = str(named).rpartition(".")[2]
    if not str(named).startswith(TORCH_CLASSES) or word not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ConfigError(f"config.json: the activation {named!r} is not one of {known} of {TORCH_CLASSES}activation")
    return ACTIVATIONS[word]


def tokens_as_classes(
    config: Mapping[str, Any], token_id: Callable[[str], int | None]
) -> tuple[tuple[int, ...], str, tuple[str, ...]]:
    """Return ``classifier_from_token``: ids of those tokens, what is made of their rows, and the labels; empty without.

    Raises:
        ConfigError: tokens that the tokenizer does not have, or an unknown method.
    """
    tokens = config.get("classifier_from_token")
    if not tokens:
        return (), "", ()
    ids = tuple(token_id(str(t)) for t in tokens)
    missing = [t for t, i in zip(tokens, ids, strict=True) if i is None]
    if missing:
        raise ConfigError(f"config.json: classifier_from_token: the tokenizer has no token {missing[0]!r}")
    found = tuple(i for i in ids if i is not None)
    original = bool(config.get("is_original_qwen3_reranker"))
    method = str(config.get("method") or ("from_2_way_softmax" if original else "no_post_processing"))
    if method not in METHODS:
        raise ConfigError(f"config.json: method {method!r} is not one of {', '.join(METHODS)}")
    if method == "from_2_way_softmax":
        if len(found) != 2:
            raise ConfigError(f"config.json: {method} takes two tokens, classifier_from_token has {len(found)}")
        return found, method, (str(tokens[1]),)
    return found, method, tuple(str(t) for t in tokens)
