"""The checkpoint's expert tensors in the layout of ``layers.Experts``: plain, outputs before inputs, gates first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from frameworkctl.interfaces import ConfigError
from torch import Tensor

# The values of four bits: sign, two bits of exponent, one of mantissa (OCP Microscaling Formats 1.0, section 5.3.3).
FP4 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
FP4_VALUES = torch.tensor([*FP4, *(-value for value in FP4)])
PAIRS = torch.stack([FP4_VALUES.repeat(16), FP4_VALUES.repeat_interleave(16)], dim=-1)  # of a byte, low bits first
SCALE_BIAS = 127
PACKED = ("_blocks", "_scales")


def dequantise(blocks: Tensor, scales: Tensor, dtype: torch.dtype) -> Tensor:
    """Return ``blocks [E, rows, groups, n]`` and ``scales [E, rows, groups]``, both uint8 -> ``[E, rows, groups * 2
    n]``.

    A byte is two numbers of four bits, and the numbers of a group are multiplied by 2^(scale - 127). One expert after
    the other, so that no wide copy of the whole is made.
    """
    experts, rows = blocks.shape[:2]
    out = torch.empty(experts, rows, blocks[0, 0].numel() * 2, dtype=dtype)
    for block, scale, expert in zip(blocks, scales, out, strict=True):
        values = PAIRS.index_select(0, block.flatten().int()).view(*scale.shape, -1)
        expert.copy_(torch.ldexp(values, scale.int()[..., None] - SCALE_BIAS).flatten(1))
    return out


def gates_first(tensor: Tensor) -> Tensor:
    """Return ``[E, 2 I, ...]`` with gates and ups in turn -> all gates, then all ups."""
    return torch.cat([tensor[:, 0::2], tensor[:, 1::2]], dim=1)


def expert_layout(weights: Iterable[tuple[str, Tensor]], dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """Yield the stream with each pair of blocks and scales as one plain tensor, and experts ``[E, outputs, inputs]``.

    Blocks and scales may be far apart. Halves without the other come last, under their own names.

    Raises:
        ConfigError: scales that do not fit their blocks.
    """
    halves: dict[str, Tensor] = {}
    for name, tensor in weights:
        if name.endswith(PACKED):
            stem, kind = name[: -len(PACKED[0])], name[-len(PACKED[0]) :]
            other = halves.pop(stem + PACKED[kind == PACKED[0]], None)
            if other is None:
                halves[name] = tensor
                continue
            blocks, scales = (tensor, other) if kind == PACKED[0] else (other, tensor)
            if blocks.shape[:-1] != scales.shape:
                raise ConfigError(f"{stem!r}: scales {list(scales.shape)} do not fit blocks {list(blocks.shape)}")
            plain = dequantise(blocks, scales, dtype)
            yield stem, gates_first(plain) if stem.endswith("gate_up_proj") else plain
        elif name.endswith(".experts.gate_up_proj"):
            yield name, gates_first(tensor.transpose(1, 2))
        elif name.endswith(".experts.down_proj"):
            yield name, tensor.transpose(1, 2)
        elif name.endswith(".experts.gate_up_proj_bias"):
            yield name, gates_first(tensor)
        else:
            yield name, tensor
    yield from halves.items()
