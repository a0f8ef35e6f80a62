"""The part of a causal language model's forward that comes after its backbone: head, scales, softcap."""

from __future__ import annotations

import copy
from typing import Any

import torch
from frameworkctl.interfaces import ConfigError
from torch import Tensor, nn


class _Outputs(tuple[Tensor]):
    """A backbone's outputs, of which only the hidden states are there; all others are None, as when unasked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[0] if name == "last_hidden_state" else None


class _Carrier(nn.Module):
    """Stands where the backbone was and returns the hidden states that it is given beforehand.

    Some models (OPT) call the decoder within their backbone themselves: that is the same to them.
    """

    hidden: Tensor

    @property
    def decoder(self) -> _Carrier:
        return self

    def forward(self, *args: Any, **kwargs: Any) -> _Outputs:
        return _Outputs((self.hidden,))


class HeadOf:
    """The forward of ``model`` itself, so that nothing it does to logits is lost, over hidden states from elsewhere.

    It shares the model's parameters. Raises ConfigError where the backbone is no direct submodule.
    """

    def __init__(self, model: Any) -> None:
        name = next((n for n, child in model.named_children() if child is model.base_model), None)
        if name is None:
            raise ConfigError(f"{type(model).__name__} has no backbone apart from its head")
        self.backbone = model.base_model
        self._carrier = _Carrier()
        self._model = copy.copy(model)
        self._model._modules = {**model._modules, name: self._carrier}

    def __call__(self, hidden: Tensor) -> Tensor:
        """Return ``[L, hidden]`` -> ``[L, vocab]`` float32."""
        self._carrier.hidden = hidden[None]
        ids = torch.zeros(1, hidden.shape[0], dtype=torch.int64, device=hidden.device)
        logits: Tensor = self._model(input_ids=ids, use_cache=False, return_dict=True).logits
        return logits[0].float()
