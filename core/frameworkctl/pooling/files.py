"""Pooling in the files of sentence-transformers next to a checkpoint."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from frameworkctl.errors import ConfigError
from frameworkctl.interfaces.model import Checkpoint

log = logging.getLogger("frameworkctl.server")

MODES = {  # key of older files -> pooler
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
}
NAMES = {"cls": "cls", "mean": "mean", "lasttoken": "last", "last": "last"}  # of ``pooling_mode`` in newer ones
SENTENCE_CONFIGS = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)


class SentenceFiles(msgspec.Struct, frozen=True, kw_only=True):
    """``pools``: there is a Pooling module. ``late``: vectors per token are meant to be compared (pylate).

    ``normalize`` is None where no module decides; ``dense`` are folders in the order in which they are applied.
    """

    pools: bool = False
    late: bool = False
    pooler: str | None = None
    normalize: bool | None = None
    dense: tuple[str, ...] = ()
    size: int | None = None  # of what the last dense layer gives
    max_length: int | None = None
    lower_case: bool = False
    prompts: Mapping[str, str] = {}


def read_files(checkpoint: Checkpoint) -> SentenceFiles:
    """Raise ConfigError if one is not what it should be."""
    modules = _modules(Path(checkpoint.root) / "modules.json")
    pooling = [m for m in modules if m[0] == "Pooling"]
    dense = tuple(path for kind, path, _ in modules if kind == "Dense")
    sizes = [_dense_size(checkpoint, path) for path in dense]
    sentence = next((found for name in SENTENCE_CONFIGS if (found := checkpoint.json(name)) is not None), {})
    prompts = (checkpoint.json("config_sentence_transformers.json") or {}).get("prompts") or {}
    length = sentence.get("max_seq_length")
    return SentenceFiles(
        pools=bool(pooling),
        late=any("pylate" in type_ for _, _, type_ in modules),
        pooler=_pooler(checkpoint, pooling[0][1]) if pooling else None,
        normalize=any(kind == "Normalize" for kind, _, _ in modules) if pooling else None,
        dense=dense,
        size=sizes[-1] if sizes else None,
        max_length=length if isinstance(length, int) and length > 0 else None,
        lower_case=bool(sentence.get("do_lower_case", False)),
        prompts={str(k): v for k, v in prompts.items() if isinstance(v, str)},
    )


def _modules(path: Path) -> list[tuple[str, str, str]]:
    """Return, for each entry of modules.json, the last word of its type, its folder, and the whole type."""
    if not path.is_file():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [(str(e["type"]).rpartition(".")[2], str(e.get("path", "")), str(e["type"])) for e in entries]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as e:
        raise ConfigError(f"{path} is not a list of modules: {type(e).__name__}: {e}") from None


def _pooler(checkpoint: Checkpoint, folder: str) -> str | None:
    config: Mapping[str, Any] = checkpoint.json(f"{folder}/config.json") or {}
    mode = config.get("pooling_mode")
    if isinstance(mode, str):
        if mode not in NAMES:
            log.warning("%s: the pooling mode %r is unknown here; the model's own is used", checkpoint.root, mode)
        return NAMES.get(mode)
    for key, name in MODES.items():
        if config.get(key) is True:
            return name
    unknown = [k for k, v in config.items() if k.startswith("pooling_mode_") and v is True]
    if unknown:
        log.warning("%s: %s is unknown here; the model's own pooling is used", checkpoint.root, unknown[0])
    return None


def _dense_size(checkpoint: Checkpoint, folder: str) -> int:
    size = (checkpoint.json(f"{folder}/config.json") or {}).get("out_features")
    if not isinstance(size, int) or size < 1:
        raise ConfigError(f"{checkpoint.root}/{folder}/config.json has no out_features")
    return size
