"""Names of an encoder's tensors in files, in the one form that its layers ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import Tensor

from .config import EncoderConfig, Head

OLD_ENDS = {".gamma": ".weight", ".beta": ".bias"}  # of norms, as the first BERT files were converted


def own_names(
    config: EncoderConfig, head: Head | None, weights: Iterable[tuple[str, Tensor]]
) -> Iterator[tuple[str, Tensor]]:
    """Yield weights without the model's prefix, which some files have, and without heads other than ``head``."""
    used = () if head is None else tuple(f"{part}." for part in (head.dense, head.norm, head.out) if part)
    for name, tensor in weights:
        bare = name.removeprefix(config.prefix)
        if bare.startswith(config.unused) and not bare.startswith(used):
            continue
        for old, new in OLD_ENDS.items():
            if bare.endswith(old):
                bare = bare.removesuffix(old) + new
        yield bare, tensor
