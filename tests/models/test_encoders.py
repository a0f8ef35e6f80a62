"""Encoders against transformers on the same weights: states, classifiers, names of tensors, what describe() reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from frameworkctl.checkpoints.json_files import read_checkpoint
from frameworkctl.interfaces import ConfigError, PoolingInfo
from frameworkctl_models.encoder.families import ARCHITECTURES, COLBERT
from frameworkctl_models.encoder.plugin import describe
from safetensors.torch import load_file, save_file
from support.checkpoints.encoders import CONFIGS, forward, load, make_encoder

LENGTHS = (7, 140, 1, 33, 34, 90, 16)
EMBED = PoolingInfo(size=48)
CLASSES = PoolingInfo(size=48, labels=("a", "b", "c"))


def texts(*lengths: int) -> list[list[int]]:
    """Random ids without the special ones: transformers counts positions of some families by them."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(5, 300, (n,), generator=generator).tolist() for n in lengths]


@torch.no_grad()
def states(model: Any, ids: list[int], **inputs: Any) -> torch.Tensor:
    """transformers' last hidden states of one text, ``[tokens, hidden]``."""
    found: torch.Tensor = model.base_model(torch.tensor([ids]), **inputs).last_hidden_state[0]
    return found


@torch.no_grad()
def logits(model: Any, ids: list[int]) -> torch.Tensor:
    found: torch.Tensor = model(torch.tensor([ids])).logits[0]
    return found


def close(got: torch.Tensor, want: torch.Tensor) -> None:
    assert got.shape == want.shape
    assert (got.float() - want).abs().max() < 1e-4


@pytest.mark.parametrize("family", CONFIGS)
def test_states_and_classes(family: str, tmp_path: Path) -> None:
    """A batch of mixed lengths gives each text what transformers gives it alone."""
    theirs = make_encoder(family, "ForSequenceClassification", tmp_path)
    ours = load(tmp_path, CLASSES)
    info = describe(read_checkpoint(tmp_path))
    assert info.pooling is not None
    for ids, hidden in zip(given := texts(*LENGTHS), forward(ours, given), strict=True):
        close(hidden, states(theirs, ids))
        pooled = hidden.mean(dim=0) if info.pooling.pooler == "mean" else hidden[0]
        close(ours.classify(pooled[None])[0], logits(theirs, ids))
    assert info.pooling.whole
    assert not ours.cache_layers()


@pytest.mark.parametrize("family", CONFIGS)
def test_classes_of_tokens(family: str, tmp_path: Path) -> None:
    theirs = make_encoder(family, "ForTokenClassification", tmp_path)
    ours = load(tmp_path, CLASSES)
    for ids, hidden in zip(given := texts(5, 60), forward(ours, given), strict=True):
        close(ours.classify(hidden), logits(theirs, ids))


@pytest.mark.parametrize("family", [f for f in CONFIGS if "-" not in f])
@pytest.mark.parametrize("head", ["Model", "ForMaskedLM"])
def test_embedders_leave_heads_unread(family: str, head: str, tmp_path: Path) -> None:
    """Files with and without the model's prefix, with a pooler or a language model's head that nobody needs."""
    theirs = make_encoder(family, head, tmp_path)
    [ids] = texts(20)
    close(forward(load(tmp_path, EMBED), [ids])[0], states(theirs, ids))


@pytest.mark.parametrize("said", ["config.json", "artifact.metadata"])
def test_colbert(said: str, tmp_path: Path) -> None:
    """Every token's state, projected: a linear layer beside BERT, whose size one of two files tells."""
    theirs = make_encoder("Bert", "ForMaskedLM", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["linear.weight"] = torch.randn(24, 48)
    save_file(tensors, tmp_path / "model.safetensors")
    config = json.loads((tmp_path / "config.json").read_text()) | {"architectures": ["HF_ColBERT"]}
    if said == "config.json":
        config["dim"] = 24
    else:
        (tmp_path / said).write_text(json.dumps({"dim": 24}))
    (tmp_path / "config.json").write_text(json.dumps(config))
    info = describe(read_checkpoint(tmp_path))
    assert info.tasks == {"token_embed"}
    assert info.pooling is not None
    assert (info.pooling.task, info.pooling.size) == ("token_embed", 24)
    ours = load(tmp_path, info.pooling)
    for ids, hidden in zip(given := texts(5, 30), forward(ours, given), strict=True):
        close(ours.embed(hidden), states(theirs, ids) @ tensors["linear.weight"].T)


def test_second_texts(tmp_path: Path) -> None:
    """Tokens of the second text of a pair have another type; texts without one stand in the same batch."""
    theirs = make_encoder("Bert", "Model", tmp_path)
    pair, alone = texts(30, 12)
    [one, other] = forward(load(tmp_path, EMBED), [pair, alone], seconds=[11, 0])
    close(one, states(theirs, pair, token_type_ids=torch.tensor([[0] * 11 + [1] * 19])))
    close(other, states(theirs, alone))


@pytest.mark.parametrize(("family", "padding"), [("Roberta", 1), ("XLMRoberta", 3), ("MPNet", 1)])
def test_positions_begin_after_the_padding(family: str, padding: int, tmp_path: Path) -> None:
    """The longest text is shorter than the table by the rows that no token has, and is right to its end."""
    rows = 41
    theirs = make_encoder(family, "Model", tmp_path, max_position_embeddings=rows)
    longest = describe(read_checkpoint(tmp_path)).max_model_len
    assert longest == rows - padding - 1
    [ids] = texts(longest)
    close(forward(load(tmp_path, EMBED), [ids])[0], states(theirs, ids))


def test_old_names(tmp_path: Path) -> None:
    """Norms called gamma and beta, a table of positions' numbers."""
    theirs = make_encoder("Bert", "ForMaskedLM", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["bert.embeddings.position_ids"] = torch.arange(160)[None]
    for name in list(tensors):
        if "LayerNorm" in name:
            old = name.replace(".weight", ".gamma").replace(".bias", ".beta")
            tensors[old] = tensors.pop(name)
    save_file(tensors, tmp_path / "model.safetensors")
    [ids] = texts(20)
    close(forward(load(tmp_path, EMBED), [ids])[0], states(theirs, ids))


def test_older_modernbert_config(tmp_path: Path) -> None:
    """Before transformers 5: a base for each kind of layer, and how often one sees everything."""
    theirs = make_encoder("ModernBert", "Model", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    types, ropes = config.pop("layer_types"), config.pop("rope_parameters")
    config["global_attn_every_n_layers"] = types[1:].index("full_attention") + 1
    config["global_rope_theta"] = ropes["full_attention"]["rope_theta"]
    config["local_rope_theta"] = ropes["sliding_attention"]["rope_theta"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    [ids] = texts(90)
    close(forward(load(tmp_path, EMBED), [ids])[0], states(theirs, ids))


def test_bf16_is_close(tmp_path: Path) -> None:
    theirs = make_encoder("Bert", "Model", tmp_path, initializer_range=0.05)
    [ids] = texts(60)
    [hidden] = forward(load(tmp_path, EMBED, torch.bfloat16), [ids])
    assert hidden.dtype == torch.bfloat16
    assert torch.nn.functional.cosine_similarity(hidden.float(), states(theirs, ids)).min() > 0.99


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != COLBERT])
def test_describe(architecture: str, tmp_path: Path) -> None:
    family = next(f for f in sorted(CONFIGS, key=len, reverse=True) if architecture.startswith(f))
    (tmp_path / "config.json").write_text(json.dumps({**CONFIGS[family][1], "architectures": [architecture]}))
    info = describe(read_checkpoint(tmp_path))
    want = ("embed", {"embed", "token_embed"})
    if architecture.endswith("ForSequenceClassification"):
        want = ("classify", {"classify", "token_classify"})
    elif architecture.endswith("ForTokenClassification"):
        want = ("token_classify", {"token_classify"})
    assert info.pooling is not None
    assert (info.pooling.task, info.tasks) == want
    assert (info.pooling.pooler, info.pooling.size, info.vocab_size) == ("cls", 48, 300)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"is_decoder": True}, "is_decoder"),
        ({"num_attention_heads": 7}, "num_attention_heads"),
        ({"hidden_size": None}, "hidden_size"),
    ],
)
def test_what_cannot_be_run(change: dict[str, Any], named: str, tmp_path: Path) -> None:
    config = {**CONFIGS["Bert"][1], "architectures": ["BertModel"], **change}
    (tmp_path / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    with pytest.raises(ConfigError, match=named):
        describe(read_checkpoint(tmp_path))
