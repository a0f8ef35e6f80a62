"""Reads a checkpoint's safetensors files, memory-mapped, shard by shard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from frameworkctl.errors import ConfigError

Progress = Callable[[int, int], None]  # bytes read, bytes in all


def weight_files(folder: Path) -> list[Path]:
    """The shards of a checkpoint: those of the index, else ``model.safetensors``, else all but an adapter's.

    Raises:
        ConfigError: none, some missing, or only pickled ones, which are refused because loading them runs code.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        missing = [n for n in names if not (folder / n).is_file()]
        if missing:
            raise ConfigError(f"{folder} lacks {len(missing)} of {len(names)} weight files, first {missing[0]!r}")
        return [folder / n for n in names]
    if (single := folder / "model.safetensors").is_file():
        return [single]
    files = sorted(f for f in folder.glob("*.safetensors") if not f.name.startswith("adapter_model"))
    if files:
        return files
    pickled = sorted([*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")])
    if pickled:
        raise ConfigError(
            f"{folder} has only pickled weights ({pickled[0].name}), which can run code: convert to safetensors"
        )
    raise ConfigError(f"{folder} has no .safetensors files")


def iterate_weights(files: list[Path], progress: Progress) -> Iterator[tuple[str, Tensor]]:
    """Every (name, tensor) of the files; ``progress`` is told after each tensor."""
    total = sum(f.stat().st_size for f in files)
    done = 0
    for file in files:
        with safe_open(file, framework="pt") as shard:
            for name in shard.keys():  # noqa: SIM118  not a dict
                tensor = shard.get_tensor(name)
                yield name, tensor
                done += tensor.numel() * tensor.itemsize
                progress(min(done, total), total)


class Counted:
    """Weights on their way to the model; ``numbers`` is how many there were: no scales, two of 4 bits in a byte."""

    def __init__(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        self._weights = weights
        self.numbers = 0

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        for name, tensor in self._weights:
            if tensor.dtype == torch.uint8 and not name.endswith("_scales"):
                self.numbers += 2 * tensor.numel()
            elif tensor.is_floating_point() and not name.endswith("_scale_inv"):
                self.numbers += tensor.numel()
            yield name, tensor
