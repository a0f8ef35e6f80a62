"""Tiny checkpoints with random weights, written by transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def randomize(model: Any, seed: int = 0) -> Any:
    """Random norm weights and biases for a transformers model just built, which has only ones and zeros there.

    Without, a layer that forgets its bias or its norm's weight would compute the same.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1 or "norm" in name:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator).to(parameter.dtype))
    return model.eval()


def random_checkpoint(config: Any, folder: Path, *, dtype: str = "float32", shard: str | None = None) -> Path:
    """Return a checkpoint of a transformers config, in ``folder``, which is returned; weights are the same every time.

    The initialisation is wide (0.15 where the config has an ``initializer_range``), so that greedy choices have
    clear margins. ``shard`` is the largest size of a weight file (``100KB``).
    """
    import transformers

    if hasattr(config, "initializer_range"):
        config.initializer_range = 0.15
    torch.manual_seed(0)
    auto: Any = transformers.AutoModelForCausalLM
    model = auto.from_config(config)
    sizes = {} if shard is None else {"max_shard_size": shard}
    randomize(model).to(getattr(torch, dtype)).save_pretrained(folder, **sizes)
    return folder
