"""Drawing tokens, and the largest logits with their normaliser, on the compiled kernels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from frameworkctl_kernels.cpu.compile.library import Library

MAX_WIDTH = 1024  # beyond it a selection by torch is faster than a heap


class CompiledSampling:
    """The operations of the protocol that work on logits; a part of CpuBackend."""

    kernels: Library

    def draw(
        self,
        logits: Tensor,
        top_k: NDArray[np.int64],
        top_p: NDArray[np.float32],
        min_p: NDArray[np.float32],
        u: NDArray[np.float64],
    ) -> Tensor | None:
        logits = logits.contiguous()
        out = torch.empty(logits.shape[0], dtype=torch.int64)
        arrays = (
            np.ascontiguousarray(top_k, np.int64),
            np.ascontiguousarray(top_p, np.float32),
            np.ascontiguousarray(min_p, np.float32),
            np.ascontiguousarray(u, np.float64),
        )
        self.kernels.fc_draw(
            logits.data_ptr(), logits.stride(0), *logits.shape, *(a.ctypes.data for a in arrays), out.data_ptr()
        )
        return out

    def top_logits(self, logits: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor] | None:
        rows, count = logits.shape
        width = min(width, count)
        if width > MAX_WIDTH:
            return None
        logits = logits.contiguous()
        norms, values = torch.empty(rows), torch.empty(rows, width)
        ids = torch.empty(rows, width, dtype=torch.int64)
        self.kernels.fc_top(
            logits.data_ptr(),
            logits.stride(0),
            rows,
            count,
            width,
            norms.data_ptr(),
            ids.data_ptr(),
            values.data_ptr(),
        )
        return norms, values, ids
