"""Grammar masks on logits: bits as a compiler packs them, forbidden tokens to minus infinity, all rows at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def apply_masks(logits: Tensor, places: Sequence[int], bits: NDArray[np.int32]) -> None:
    """``logits [L, V]``, changed in place: row ``places[i]`` keeps the tokens whose bit in ``bits[i]`` is 1.

    ``bits [n, ceil(V / 32)]``, bit b of word w for token 32 w + b.
    """
    forbidden = _forbidden(bits, logits)
    if len(places) == len(logits) and list(places) == list(range(len(logits))):
        logits.masked_fill_(forbidden, float("-inf"))
        return
    index = torch.tensor(places, device=logits.device)
    logits.index_copy_(0, index, logits.index_select(0, index).masked_fill_(forbidden, float("-inf")))


def _forbidden(bits: NDArray[np.int32], logits: Tensor) -> Tensor:
    """bool ``[n, V]``: unpacked where the logits are, so that only bits travel to a device."""
    vocab_size = logits.shape[1]
    if logits.device.type == "cpu":
        unpacked = np.unpackbits((~bits).view(np.uint8), axis=1, bitorder="little", count=vocab_size)
        return torch.from_numpy(unpacked.view(np.bool_))
    packed = torch.from_numpy(bits.view(np.uint8)).to(logits.device)
    shifts = torch.arange(8, dtype=torch.uint8, device=logits.device)
    allowed = (packed[:, :, None] >> shifts) & 1
    return (allowed == 0).flatten(1)[:, :vocab_size]
