"""The json files of a checkpoint folder, read without anything of the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError


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
        return data

    def _required(self, name: str) -> Mapping[str, Any]:
        data = self.json(name)
        if data is None:
            raise ConfigError(f"{self.folder} has no {name}: it is not a checkpoint folder")
        return data


def read_checkpoint(folder: Path) -> FolderCheckpoint:
    """Raises ConfigError where the folder is no checkpoint."""
    return FolderCheckpoint(folder)
