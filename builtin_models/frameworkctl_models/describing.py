"""Facts that every family's ``describe`` reads in the same way. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frameworkctl.interfaces import Checkpoint


def eos_token_ids(checkpoint: Checkpoint) -> tuple[int, ...]:
    """Return ``eos_token_id``, an id or a list, from generation_config.json, else from config.json."""
    for raw in (checkpoint.generation_config, checkpoint.config):
        ids = raw.get("eos_token_id")
        if ids is not None:
            return tuple(ids) if isinstance(ids, list) else (ids,)
    return ()


def dtype_of(config: Mapping[str, Any], default: str = "float32") -> str:
    """Return what config.json says its weights are stored in; ``default`` is the family's."""
    return str(config.get("dtype") or config.get("torch_dtype") or default)
