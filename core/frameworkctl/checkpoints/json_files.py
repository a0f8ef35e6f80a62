"""The json files of a checkpoint folder, read without anything of the model."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frameworkctl.errors import ConfigError

from .json_keys import check_keys

log = logging.getLogger("frameworkctl.server")


class FolderCheckpoint:
    """A ``Checkpoint`` over a folder on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = str(folder)
        self.config: Mapping[str, Any] = self._required("config.json")
        self.generation_config: Mapping[str, Any] = self.json("generation_config.json") or {}
        self.tokenizer_config: Mapping[str, Any] = self.json("tokenizer_config.json") or {}

    def json(self, name: str) -> Mapping[str, Any] | None:
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as e:
            raise ConfigError(f"{path} is not readable JSON: {e}") from e
        if not isinstance(data, dict):
            raise ConfigError(f"{path} is not a JSON object")
        check_keys(path, name, data)
        return data

    def _required(self, name: str) -> Mapping[str, Any]:
        data = self.json(name)
        if data is None:
            raise ConfigError(f"{self.folder} has no {name}: it is not a checkpoint folder")
        return data


def read_checkpoint(folder: Path) -> FolderCheckpoint:
    """Raise ConfigError if the folder is no checkpoint, or only an adapter."""
    if (folder / "adapter_config.json").is_file():
        _look_at_adapter(folder)
    return FolderCheckpoint(folder)


def _look_at_adapter(folder: Path) -> None:
    """Refuse an adapter without a model's weights; one next to them is ignored."""
    if any(not f.name.startswith("adapter_model") for f in folder.glob("*.safetensors")):
        log.warning("%s holds an adapter beside the model: it is not applied", folder)
        return
    try:
        adapter = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        kind, base = adapter.get("peft_type"), adapter.get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError):
        kind = base = None
    raise ConfigError(
        f"{folder} is {f'a {kind} adapter' if kind else 'an adapter'}, not a model (it has adapter_config.json and no"
        f" model weights): adapters are not served; serve its base model{f' {base!r}' if base else ''},"
        " or one into which the adapter was merged"
    )
