"""Linear layers over weights packed into panels of 32 columns: one form for every number of rows."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from frameworkctl_kernels.cpu.compile.library import Library, Weight, kernels
from frameworkctl_kernels.protocol import Packed
from frameworkctl_kernels.reference.linear import OneDnnWeight, PlainWeight, pack
from frameworkctl_kernels.reference.quantized import quantize

from .memory import Arena
from .quantized import QuantizedWeight

PANEL = 32
TYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}
STEPS = {torch.float32: 1, torch.bfloat16: 2, torch.float16: 1}  # values of K that stand side by side
SQUEEZED, SQUEEZED_STEP = 3, 96  # fc::Weight's type for bfloat16 in 12 bits; bytes of 32 columns by two values of K


class PackedWeight:
    """A weight ``[N, K]`` as panels ``[ceil(N / 32)][ceil(K / s)][32][s]``, s 2 for bfloat16 and 1 else.

    bfloat16 takes 12 bits a value, and nothing is lost (source/squeezed.h), unless its exponents are too many.
    """

    __slots__ = ("_address", "_notes", "_panels", "_weight", "dtype", "shape")

    def __init__(self, weight: Tensor, arena: Arena) -> None:
        outputs, inputs = weight.shape
        self.shape, self.dtype = (outputs, inputs), weight.dtype
        steps = STEPS[weight.dtype]
        if weight.stride(1) != 1:
            weight = weight.contiguous()
        self._notes: Tensor | None = None
        type_ = TYPES[weight.dtype]
        if weight.dtype is torch.bfloat16 and self._squeeze(weight, arena):
            type_ = SQUEEZED
        else:
            padded = -(-outputs // PANEL) * PANEL * -(-inputs // steps) * steps
            self._panels = arena.take(padded * weight.element_size())
            kernels().fc_pack(type_, weight.data_ptr(), weight.stride(0), outputs, inputs, self._panels.data_ptr())
        notes = None if self._notes is None else self._notes.data_ptr()
        self._weight = Weight(self._panels.data_ptr(), outputs, inputs, type_, 0, notes)
        self._address = ctypes.addressof(self._weight)

    def _squeeze(self, weight: Tensor, arena: Arena) -> bool:
        """Return whether it could be done."""
        outputs, inputs = self.shape
        notes = torch.empty(kernels().fc_notes_bytes(outputs, inputs), dtype=torch.uint8)
        given = weight.data_ptr(), weight.stride(0), outputs, inputs
        if not kernels().fc_find_codes(*given, notes.data_ptr()):
            return False
        self._panels = arena.take(-(-outputs // PANEL) * -(-inputs // 2) * SQUEEZED_STEP)
        self._notes = notes
        kernels().fc_squeeze(*given, self._panels.data_ptr(), notes.data_ptr())
        return True

    def linear(self, library: Library, x: Tensor, bias: Tensor | None, out: Tensor | None) -> Tensor:
        """Return ``x [..., K]`` -> ``[..., N]``; ``out`` is contiguous, of the weight's type or float32.

        Raises:
            ValueError: a size or a type that is not the weight's.
        """
        shape = x.shape
        outputs, inputs = self.shape
        if x.dtype is not self.dtype or shape[-1] != inputs or (bias is not None and bias.dtype is not self.dtype):
            raise ValueError(
                f"a weight {outputs} x {inputs} of {self.dtype} cannot take {tuple(shape)} of {x.dtype}"
                f"{'' if bias is None else f' and a bias of {bias.dtype}'}"
            )
        if len(shape) != 2:
            return self.linear(library, x.reshape(-1, inputs), bias, out).view(*shape[:-1], outputs)
        stride, step = x.stride()
        if step != 1:
            x, stride = x.contiguous(), inputs
        if out is None:
            out, type_ = torch.empty(shape[0], outputs, dtype=self.dtype), TYPES[self.dtype]
        else:
            type_ = TYPES[out.dtype]
        library.fc_linear(
            self._address,
            x.data_ptr(),
            stride,
            shape[0],
            None if bias is None else bias.data_ptr(),
            out.data_ptr(),
            type_,
        )
        return out

    def rows(self, library: Library, ids: Tensor) -> Tensor:
        """Return ``ids [...]`` int64 -> ``[..., K]``, the weight's rows as they were before packing."""
        flat = ids.reshape(-1).contiguous()
        out = torch.empty((*ids.shape, self.shape[1]), dtype=self.dtype)
        library.fc_unpack_rows(self._address, flat.data_ptr(), flat.numel(), out.data_ptr())
        return out


class CompiledLinear:
    """The linear side of the backend."""

    kernels: Library

    def __init__(self) -> None:
        self.kernels = kernels()
        self._arena = Arena()

    def computes_fast(self, dtype: torch.dtype) -> bool:
        return dtype in TYPES  # in float32 at worst, and half the memory to read

    def pack(self, weight: Tensor, fmt: str = "plain", *, lookup: bool = False) -> Packed:
        if weight.dtype not in TYPES:
            return pack(weight)
        if fmt == "plain":
            return PackedWeight(weight, self._arena)
        return QuantizedWeight(quantize(weight, fmt), weight.dtype, self._arena)

    def lookup(self, packed: Packed, ids: Tensor) -> Tensor:
        assert isinstance(packed, PackedWeight | QuantizedWeight)
        return packed.rows(self.kernels, ids)

    def linear(self, x: Tensor, packed: Packed, bias: Tensor | None = None, out: Tensor | None = None) -> Tensor:
        if isinstance(packed, PackedWeight | QuantizedWeight):
            return packed.linear(self.kernels, x, bias, out)
        assert isinstance(packed, PlainWeight | OneDnnWeight)
        result = packed.linear(x, bias)
        return result if out is None else out.copy_(result)
