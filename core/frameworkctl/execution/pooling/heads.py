"""From pooled states to what a request asked for: dense layers, sizes, normalisation, classes and their activation."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from frameworkctl.errors import ConfigError
from frameworkctl.execution.weights.loading import read_tensors
from frameworkctl.interfaces.engine import Model, PoolingInfo, PoolParams
from frameworkctl.interfaces.pooling import EMBED_TASKS

WEIGHTS = ("linear.weight", "dense.weight", "weight")  # names under which a dense layer's are found
ACTIVATIONS = ("torch.nn.modules.activation.", "torch.nn.modules.linear.Identity")
TINY = 1e-12  # least norm that is divided by


class Dense:
    """One Dense module of sentence-transformers, in float32: ``activation(x @ weight.T + bias)``.

    Raises:
        ConfigError: its folder lacks a file or a tensor, or names an activation that is not torch's.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        file = folder / "model.safetensors"
        if not file.is_file():
            raise ConfigError(f"{folder} has no model.safetensors (pickled weights can run code: convert them)")
        tensors = dict(read_tensors(file))
        name = next((n for n in WEIGHTS if n in tensors), None)
        if name is None:
            raise ConfigError(f"{file} has none of {', '.join(WEIGHTS)}")
        self.weight = tensors[name].float().to(device)
        bias = tensors.get(name.removesuffix("weight") + "bias")
        self.bias = None if bias is None else bias.float().to(device)
        self.activation = _activation(str(config.get("activation_function") or ACTIVATIONS[1]), folder)

    def __call__(self, x: Tensor) -> Tensor:
        out: Tensor = self.activation(nn.functional.linear(x, self.weight, self.bias))
        return out


def _activation(name: str, folder: Path) -> nn.Module:
    class_ = getattr(nn, name.rpartition(".")[2], None)
    if not name.startswith(ACTIVATIONS) or not (isinstance(class_, type) and issubclass(class_, nn.Module)):
        raise ConfigError(f"{folder}/config.json: the activation {name!r} is not one of torch.nn.modules.activation")
    made: nn.Module = class_()
    return made


class Heads:
    """Of one model. Everything here is float32."""

    def __init__(self, model: Model, info: PoolingInfo, folder: Path) -> None:
        self.model, self.info = model, info
        self.dense = [Dense(folder / name, model.ctx.device) for name in info.dense]
        columns = info.returned_token_ids
        self.columns = torch.tensor(columns, device=model.ctx.device) if columns else None

    def __call__(self, pooled: Tensor, params: PoolParams) -> Tensor:
        """Return ``[n, hidden]`` states of texts or tokens that want the same -> ``[n, width]``."""
        pooled = pooled.float()
        return self._embed(pooled, params) if params.task in EMBED_TASKS else self._classify(pooled, params)

    def _embed(self, pooled: Tensor, params: PoolParams) -> Tensor:
        x = self.model.embed(pooled)
        for dense in self.dense:
            x = dense(x)
        if params.dimensions is not None:
            x = x[:, : params.dimensions]
        return nn.functional.normalize(x, dim=-1, eps=TINY) if params.activate else x

    def _classify(self, pooled: Tensor, params: PoolParams) -> Tensor:
        x = (self.model.classify(pooled).float() - self.info.logit_mean) / self.info.logit_sigma
        if self.columns is not None:
            x = x.index_select(1, self.columns)
        if not params.activate or self.info.activation == "identity":
            return x
        return torch.sigmoid(x) if self.info.activation == "sigmoid" else torch.softmax(x, dim=-1)
