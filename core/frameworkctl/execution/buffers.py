"""Arrays that the host fills and the device reads; on a CPU they are the same memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_TORCH = {np.dtype(np.int32): torch.int32, np.dtype(np.int64): torch.int64}


class Mirror:
    """``host`` as numpy and ``device`` as a tensor of the same shape, both at fixed addresses."""

    __slots__ = ("_pinned", "device", "host")

    def __init__(self, shape: tuple[int, ...], dtype: type[np.int32] | type[np.int64], device: torch.device) -> None:
        on_cpu = device.type == "cpu"
        self._pinned = torch.zeros(shape, dtype=_TORCH[np.dtype(dtype)], pin_memory=not on_cpu)
        self.host: NDArray[Any] = self._pinned.numpy()
        self.device: Tensor = self._pinned if on_cpu else torch.zeros_like(self._pinned, device=device)

    def push(self, rows: int) -> Tensor:
        """Return the first ``rows`` rows on the device, up to date."""
        view = self.device[:rows]
        if self.device is not self._pinned:
            view.copy_(self._pinned[:rows], non_blocking=True)
        return view
