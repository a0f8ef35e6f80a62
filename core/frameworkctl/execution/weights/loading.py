"""Reads a checkpoint's safetensors files, memory-mapped, shard by shard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from frameworkctl.errors import ConfigError

Progress = Callable[[int, int], None]  # bytes read, bytes in all


class _Index(msgspec.Struct):
    """The part of an index that is read."""

    weight_map: dict[str, str]


def weight_files(folder: Path) -> list[Path]:
    """Return the shards of a checkpoint: those of the index, else ``model.safetensors``, else all but an adapter's.

    Raises:
        ConfigError: none, some missing, or only pickled ones, which are refused because loading them runs code.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            places = msgspec.json.decode(index.read_bytes(), type=_Index).weight_map
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise ConfigError(f"{index} is not an index of weights ({e}): download or copy it again") from e
        names = sorted(set(places.values()))
        missing = [n for n in names if not (folder / n).is_file()]
        if missing:
            raise ConfigError(
                f"{folder} lacks {len(missing)} of {len(names)} weight files that {index.name} names, first"
                f" {missing[0]!r}: download or copy them again"
            )
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
    """Yield every (name, tensor) of the files; ``progress`` is told after each tensor."""
    total = sum(f.stat().st_size for f in files)
    done = 0
    for file in files:
        for name, tensor in read_tensors(file):
            yield name, tensor
            done += tensor.numel() * tensor.itemsize
            progress(min(done, total), total)


def read_tensors(file: Path, ending: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield every (name, tensor) of a file whose name has this ending.

    Raises:
        ConfigError: it is not a whole safetensors file; names it.
    """
    try:
        with safe_open(file, framework="pt") as shard:
            names = [name for name in shard.keys() if name.endswith(ending)]  # noqa: SIM118  not a dict
            tensors = ((name, shard.get_tensor(name)) for name in names)
            while (found := next(tensors, None)) is not None:
                yield found
    except (SafetensorError, OSError, OverflowError) as e:
        raise ConfigError(f"{file} is not a whole safetensors file ({e}): download or copy it again") from e


def file_of(files: list[Path], name: str) -> Path | None:
    """Return the file that holds the tensor ``name``."""
    return next((file for file in files if any(found == name for found, _ in read_tensors(file, name))), None)


def first_bad_tensor(folder: str) -> str | None:
    """Return the name of the first tensor of a checkpoint that holds NaN or infinity; None for none."""
    for name, tensor in iterate_weights(weight_files(Path(folder)), lambda done, total: None):
        if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all():
            return name
    return None


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
