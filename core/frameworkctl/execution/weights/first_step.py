"""The first step of an engine, before any request: weights that are not numbers are noticed here."""

from __future__ import annotations

import numpy as np
import torch

from frameworkctl.config import EngineConfig
from frameworkctl.errors import ConfigError
from frameworkctl.execution.build import Built
from frameworkctl.interfaces.engine import PoolParams
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.plan import NewSequence, Scheduled, StepPlan

from .loading import first_bad_tensor

TOKENS = 8  # of the text, from all over the vocabulary


def check_first_step(built: Built, given: EngineConfig) -> None:
    """Compute a short text. Nothing of it is left in the runner, and its pages are cleared before they are used.

    Raises:
        ConfigError: what comes out is not finite; names a tensor of the weights that is not.
    """
    count = min(TOKENS, given.max_model_len, given.options.max_num_batched_tokens)
    tokens = np.linspace(0, given.vocab_size - 1, count).astype(np.int32)
    tables, page = [], 1
    for group in built.layout.groups:
        needed = 0 if group.kind == "cross" else group.pages_for(count)
        tables.append(list(range(page, page + needed)))
        page += needed
    if page > built.pages:
        return  # a cache so small has no room for a text of more than a token
    new = NewSequence(
        id=0,
        tokens=tokens.tobytes(),
        prompt_len=count,
        computed=0,
        tables=tables,
        params=SamplingParams(max_tokens=1, temperature=0.0),
        seed=0,
        kept=[0] * len(tables),
        embeds=None,
        pool=None if given.pooling is None else PoolParams(given.pooling.task),
    )
    built.runner.launch(StepPlan(0, [], [new], [], [], [Scheduled(0, count, True, [])]))
    found = built.runner.sample()
    built.runner.reset()
    if any(s.error is not None for s in found):
        with torch.inference_mode():
            name = first_bad_tensor(given.folder)
        cause = f"the tensor {name!r} holds NaN or infinity" if name else "its weights overflow in this type (--dtype)"
        raise ConfigError(f"{given.folder} computes values that are not finite: {cause}; get the checkpoint again")
