"""The demo's small encoders: BERT with one score or a score for each class, computed for texts or pairs."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Encoding, Tokenizer
from torch.nn import functional
from transformers import BertConfig, BertForSequenceClassification

from frameworkctl_demo.training.encoder_data.reviews import LABELS

from .wordpieces import CONTEXT, PAD

_CHUNKS = 4
_LAYERS = {"reranker": 3, "classifier": 2}


def build_encoder(tokenizer: Tokenizer, task: str) -> BertForSequenceClassification:
    """Return a small BERT with one score, or with a score for each class."""
    labels = ("relevance",) if task == "reranker" else LABELS
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=_LAYERS[task],
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.05,
        pad_token_id=tokenizer.token_to_id(PAD),
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    model = BertForSequenceClassification(config)
    if task == "reranker":
        _compare_words(model)
    return model


@torch.no_grad()
def _compare_words(model: BertForSequenceClassification) -> None:
    """Let the first layer begin with looking, from each word, at the same word wherever it stands, in either text."""
    embeddings, attention = model.bert.embeddings, model.bert.encoder.layer[0].attention.self
    embeddings.position_embeddings.weight.mul_(0.2)
    first, second = embeddings.token_type_embeddings.weight
    text = functional.normalize(second - first, dim=0)
    attention.query.weight.mul_(1.7).sub_(torch.outer(attention.query.weight @ text, text))
    attention.key.weight.copy_(attention.query.weight)


def states_of(model: BertForSequenceClassification, encoded: Sequence[Encoding]) -> list[torch.Tensor]:
    """Return the last states `[tokens, hidden]` of each text, in float32, computed in a few batches of like length."""
    order = sorted(range(len(encoded)), key=lambda index: len(encoded[index].ids))
    size = -(-len(order) // _CHUNKS)
    found: dict[int, torch.Tensor] = {}
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        part = [encoded[index] for index in chosen]
        width = min(CONTEXT, len(part[-1].ids))
        ids = torch.tensor([(one.ids + [0] * width)[:width] for one in part])
        types = torch.tensor([(one.type_ids + [0] * width)[:width] for one in part])
        mask = torch.tensor([([1] * len(one.ids) + [0] * width)[:width] for one in part])
        states = model.bert(input_ids=ids, token_type_ids=types, attention_mask=mask).last_hidden_state
        found.update(zip(chosen, states.unbind(), strict=True))
    return [found[index] for index in range(len(order))]


def logits_of(model: BertForSequenceClassification, states: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return `[texts, labels]`."""
    pooled: torch.Tensor = model.bert.pooler(torch.stack([one[:1] for one in states]))
    logits: torch.Tensor = model.classifier(pooled)
    return logits


def save(trained: BertForSequenceClassification, out: Path) -> None:
    """Write a plain Hugging Face checkpoint in bfloat16."""
    model = copy.deepcopy(trained).to(torch.bfloat16)  # type: ignore[arg-type]
    model.save_pretrained(out)
    path = out / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["torch_dtype"] = "bfloat16"  # readers older than transformers 5 look for this name
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
