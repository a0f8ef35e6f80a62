"""Makes plain weights of block-scaled FP8 ones on their way from the files to the model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from frameworkctl.errors import ConfigError
from frameworkctl.interfaces.quantization import Block

from .loading import read_tensors

SCALE = "_scale_inv"  # ends the name of a weight's scales, which are factors whatever "inv" suggests


def read_scales(files: list[Path]) -> dict[str, Tensor]:
    """Return the scales of all shards by the name of their weight, ``[..., ceil(rows / block), ceil(columns /
    block)]`` fp32.

    They are 1/4096 of the weights' bytes at 128 by 128, so that reading them first is what keeps memory bounded,
    in whichever shard and order they lie.
    """
    scales = {}
    for file in files:
        for name, tensor in read_tensors(file, SCALE):
            scales[name.removesuffix(SCALE)] = tensor.float()
    return scales


def expand(weight: Tensor, scale: Tensor, block: Block, dtype: torch.dtype) -> Tensor:
    """Return ``weight[..., i, j] * scale[..., i // block[0], j // block[1]]`` as ``dtype``, computed in fp32.

    ``weight`` is ``[..., rows, columns]`` in an 8-bit float type; a block at an edge may be cut off. Works in strips of
    one block's height, so that no fp32 copy of the whole weight is made.

    Raises:
        ValueError: the scales' shape is not that of the weight's blocks.
    """
    rows, columns = weight.shape[-2:]
    wanted = (*weight.shape[:-2], -(-rows // block[0]), -(-columns // block[1]))
    if tuple(scale.shape) != wanted:
        raise ValueError(f"scales {list(scale.shape)} for a weight {list(weight.shape)}, not {list(wanted)}")
    factors = scale.repeat_interleave(block[1], dim=-1)[..., :columns]
    out = torch.empty(weight.shape, dtype=dtype)
    for i in range(wanted[-2]):
        strip = slice(i * block[0], (i + 1) * block[0])
        out[..., strip, :] = weight[..., strip, :].float() * factors[..., i : i + 1, :]
    return out


def expanded(
    weights: Iterator[tuple[str, Tensor]], scales: dict[str, Tensor], block: Block, dtype: torch.dtype
) -> Iterator[tuple[str, Tensor]]:
    """Yield the stream with FP8 weights as ``dtype`` and without their scales; scales of no weight come last, as they
    are.

    Raises:
        ConfigError: an FP8 weight has no scales, scales have a weight of another type, or the two do not fit.
    """
    left = dict(scales)
    for name, tensor in weights:
        if name.endswith(SCALE) and name.removesuffix(SCALE) in scales:
            continue
        scale = left.pop(name, None)
        if scale is None:
            if tensor.dtype is torch.float8_e4m3fn:
                raise ConfigError(f"the FP8 weight {name!r} has no scales: {name + SCALE!r} is missing")
            yield name, tensor
            continue
        if tensor.dtype is not torch.float8_e4m3fn or tensor.dim() < 2:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ConfigError(f"{name!r} has FP8 scales, but is {kind} {list(tensor.shape)}")
        try:
            plain = expand(tensor, scale, block, dtype)
        except ValueError as e:
            raise ConfigError(f"{name!r}: {e}") from e
        yield name, plain
    for name, scale in left.items():
        yield name + SCALE, scale
