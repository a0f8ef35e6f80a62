"""Linear layers over weights of 8 or 4 bits, packed into panels of 32 columns."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from frameworkctl_kernels.cpu.compile.library import Library, Weight, kernels
from frameworkctl_kernels.reference.quantized import GROUP, Quantized

from .memory import Arena

PANEL = 32
TYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}
BLOCK = 128  # values of K that share a scale of the activations in int8
INT8, INT4 = 8, 4  # fc::Weight's type


class QuantizedWeight:
    """A rounded weight ``[N, K]``; ``dtype`` is that of activations."""

    __slots__ = ("_address", "_panels", "_scales", "_weight", "dtype", "shape")

    def __init__(self, quantized: Quantized, dtype: torch.dtype, arena: Arena) -> None:
        outputs, inputs = quantized.values.shape
        self.shape, self.dtype = (outputs, inputs), dtype
        panels = -(-outputs // PANEL)
        if quantized.offsets is None:
            kind, group = INT8, BLOCK
            padded = -(-inputs // group) * group
            self._panels = arena.take(panels * padded * PANEL)
            # Not from the heap: small pieces that stay would keep apart what rounding takes and gives back.
            self._scales = arena.take(panels * PANEL * 4).view(torch.float32).zero_()
            self._scales[:outputs] = quantized.scales[:, 0]
            kernels().fc_pack_int8(quantized.values.data_ptr(), outputs, inputs, group, self._panels.data_ptr())
        else:
            kind, group = INT4, GROUP
            groups = -(-inputs // group)
            self._panels = arena.take(panels * groups * group // 2 * PANEL)
            self._scales = arena.take(panels * groups * 2 * PANEL * 2)
            kernels().fc_pack_int4(
                quantized.values.data_ptr(),
                quantized.scales.data_ptr(),
                quantized.offsets.data_ptr(),
                outputs,
                inputs,
                group,
                self._panels.data_ptr(),
                self._scales.data_ptr(),
            )
        self._weight = Weight(self._panels.data_ptr(), outputs, inputs, kind, group, self._scales.data_ptr())
        self._address = ctypes.addressof(self._weight)

    def linear(self, library: Library, x: Tensor, bias: Tensor | None, out: Tensor | None) -> Tensor:
        """Return ``x [..., K]`` -> ``[..., N]``; ``out`` is contiguous, of the type of ``x`` or float32.

        Raises:
            ValueError: a size or a type that is not the weight's.
        """
        outputs, inputs = self.shape
        if x.shape[-1] != inputs or x.dtype != self.dtype or (bias is not None and bias.dtype != self.dtype):
            raise ValueError(
                f"a weight {outputs} x {inputs} for {self.dtype} cannot take {tuple(x.shape)} of {x.dtype}"
                f"{'' if bias is None else f' and a bias of {bias.dtype}'}"
            )
        rows = x.reshape(-1, inputs)
        if rows.stride(1) != 1:
            rows = rows.contiguous()
        if out is None:
            out = torch.empty((*x.shape[:-1], outputs), dtype=x.dtype)
        library.fc_linear_quantized(
            self._address,
            TYPES[x.dtype],
            rows.data_ptr(),
            rows.stride(0),
            rows.shape[0],
            None if bias is None else bias.data_ptr(),
            out.data_ptr(),
            TYPES[out.dtype],
        )
        return out

    def rows(self, library: Library, ids: Tensor) -> Tensor:
        """Return ``ids [...]`` int64 -> ``[..., K]``, dequantised; for int8 only."""
        assert self._weight.type == INT8, "rows are read of int8 weights"
        flat = ids.reshape(-1).contiguous()
        out = torch.empty((*ids.shape, self.shape[1]), dtype=self.dtype)
        library.fc_rows_int8(self._address, flat.data_ptr(), flat.numel(), TYPES[self.dtype], out.data_ptr())
        return out
