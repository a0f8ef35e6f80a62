"""How weights are changed in training: Muon for matrices, AdamW for the rest, under one rate."""

from __future__ import annotations

import torch

from .muon import Muon

_WARM_UP = 60
# The share of the run at full rate; then the rate falls in a line to nothing.
_STEADY = 0.35
_ADAM_SHARE = 0.15


class Optimizers:
    """`tables` are matrices that are no maps from vectors to vectors (embeddings, classes): AdamW's."""

    def __init__(self, parameters: list[torch.nn.Parameter], tables: list[torch.nn.Parameter], highest: float) -> None:
        self.parameters, self._tables = parameters, tables
        apart = {id(table) for table in tables}
        self._muon = Muon([p for p in parameters if p.dim() > 1 and id(p) not in apart])
        others = [*tables, *(p for p in parameters if p.dim() == 1)]
        self._adam = torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0)
        self._highest = highest

    def step(self, step: int, done: float) -> None:
        """Update once; `done` is the share of the run that is over."""
        torch.nn.utils.clip_grad_norm_(self._tables, 1.0)
        rate = self._highest * min(1.0, (step + 1) / _WARM_UP) * min(1.0, (1 - done) / (1 - _STEADY))
        self._muon.step(rate)
        for group in self._adam.param_groups:
            group["lr"] = rate * _ADAM_SHARE
        self._adam.step()
