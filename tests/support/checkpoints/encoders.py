"""Tiny checkpoints of every encoder family, and one forward over texts of mixed lengths without an engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from frameworkctl.execution.build import OneRank
from frameworkctl.execution.weights.loading import iterate_weights, weight_files
from frameworkctl.interfaces.engine import Batch, Model, ModelContext, StepShape
from frameworkctl.interfaces.pooling import PoolingInfo
from frameworkctl.plugins.importing import load_class
from frameworkctl.testing import randomize
from frameworkctl_kernels.reference.backend import ReferenceBackend
from torch import Tensor

_BERT: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": 160,
}
_ROBERTA = {**_BERT, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
# family -> (transformers config class, values)
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "Bert": ("BertConfig", _BERT),
    "Roberta": ("RobertaConfig", _ROBERTA),
    "XLMRoberta": ("XLMRobertaConfig", {**_ROBERTA, "type_vocab_size": 1, "pad_token_id": 3}),
    "DistilBert": (
        "DistilBertConfig",
        {"vocab_size": 300, "dim": 48, "hidden_dim": 96, "n_layers": 3, "n_heads": 4, "max_position_embeddings": 160},
    ),
    "MPNet": ("MPNetConfig", {**_ROBERTA, "relative_attention_num_buckets": 32, "max_position_embeddings": 320}),
    "ModernBert": (
        "ModernBertConfig",
        {
            **_BERT,
            "local_attention": 16,
            "pad_token_id": 1,
            "cls_token_id": 2,
            "sep_token_id": 3,
            "bos_token_id": 2,
            "eos_token_id": 3,
        },
    ),
    "ModernBert-biased": (
        "ModernBertConfig",
        {
            **_BERT,
            "local_attention": 16,
            "pad_token_id": 1,
            "cls_token_id": 2,
            "sep_token_id": 3,
            "bos_token_id": 2,
            "eos_token_id": 3,
            "norm_bias": True,
            "attention_bias": True,
            "mlp_bias": True,
            "classifier_bias": True,
            "classifier_pooling": "mean",
        },
    ),
}


def make_encoder(family: str, head: str, folder: Path, **changes: Any) -> Any:
    """transformers' model of a class name (``Model``, ``ForTokenClassification``), saved in ``folder``."""
    import transformers

    name, own = CONFIGS[family]
    values = {"num_labels": 3, "initializer_range": 0.15, **own, **changes}
    config = getattr(transformers, name)(**values, attn_implementation="eager")
    torch.manual_seed(0)
    model = randomize(getattr(transformers, family.partition("-")[0] + head)(config))
    model.save_pretrained(folder)
    return model


def load(folder: Path, pooling: PoolingInfo, dtype: torch.dtype = torch.float32) -> Model:
    """Ours, with its weights, on the reference backend."""
    backend = ReferenceBackend("cpu")
    ctx = ModelContext(
        dtype=dtype, device=torch.device("cpu"), world=OneRank(), ops=lambda op, **facts: backend, pooling=pooling
    )
    config = json.loads((folder / "config.json").read_text())
    model: Model = load_class("frameworkctl_models.encoder.model:Encoder")(config, ctx)
    report = model.load_weights(iterate_weights(weight_files(folder), lambda done, total: None))
    assert not report.missing, report
    assert not report.unexpected, report
    return model.eval()


@torch.inference_mode()
def forward(model: Model, texts: Sequence[Sequence[int]], seconds: Sequence[int] | None = None) -> list[Tensor]:
    """Hidden states ``[tokens, hidden]`` of each text; ``seconds`` are where second texts begin (0: there is none)."""
    lens = np.array([len(t) for t in texts], dtype=np.int32)
    shape = StepShape(int(lens.sum()), len(texts), len(texts), int(lens.max()), False, lens, lens)
    second = [
        int(bool(at) and i >= at)
        for t, at in zip(texts, seconds or [0] * len(texts), strict=True)
        for i in range(len(t))
    ]
    starts = np.concatenate([[0], lens.cumsum()])
    batch = Batch(
        shape=shape,
        input_ids=torch.tensor([i for t in texts for i in t]),
        positions=torch.tensor([i for t in texts for i in range(len(t))]),
        query_start=torch.tensor(starts, dtype=torch.int32),
        logits_index=torch.tensor(starts[1:] - 1),
        groups=[],
        second=None if seconds is None else torch.tensor(second),
    )
    model.ctx.ops("varlen_attention").plan(shape, [])
    hidden: Tensor = model(batch)
    return list(hidden.split(lens.tolist()))
