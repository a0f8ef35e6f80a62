"""Decoders that pool, against transformers: classifiers, embedders, reward models, models that look both ways."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from frameworkctl.execution.build import OneRank
from frameworkctl.interfaces import ConfigError, PoolingInfo, PoolParams
from frameworkctl.interfaces.engine import ModelContext
from frameworkctl.layers import Head, VocabEmbedding
from frameworkctl.testing import InProcessEngine, randomize
from frameworkctl_kernels.reference.backend import ReferenceBackend
from safetensors.torch import load_file, save_file
from torch import Tensor

LENGTHS = (7, 61, 1, 33, 100)
CLASSIFY = PoolParams("classify", activate=False)
TOKEN_CLASSIFY = PoolParams("token_classify", activate=False)
EMBED, TOKEN_EMBED = PoolParams("embed", activate=False), PoolParams("token_embed", activate=False)
_SIZE: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "initializer_range": 0.15,
    "num_labels": 3,
}
_MLA = {
    "q_lora_rank": 24,
    "kv_lora_rank": 32,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "v_head_dim": 16,
    "num_key_value_heads": 4,
    "first_k_dense_replace": 1,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "moe_intermediate_size": 48,
    "n_shared_experts": 1,
}
_JAMBA = {
    "attn_layer_offset": 1,
    "attn_layer_period": 2,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "mamba_d_state": 8,
    "use_mamba_kernels": False,
}
_GPT_OSS = {"head_dim": 16, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 20}


def make(name: str, folder: Path, **changes: Any) -> Any:
    """transformers' model of a class, saved in ``folder``; the class of its config is the model's."""
    import transformers

    stem = name.partition("For")[0].removesuffix("Model")
    config_class = getattr(transformers, f"{stem}Config")
    config = config_class(**{**_SIZE, **changes}, attn_implementation="eager")
    torch.manual_seed(0)
    model = randomize(getattr(transformers, name)(config))
    model.save_pretrained(folder)
    return model


def change_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def texts(lengths: Sequence[int] = LENGTHS) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(5, 320, (n,), generator=generator).tolist() for n in lengths]


@torch.no_grad()
def logits(model: Any, ids: list[int]) -> Tensor:
    found: Tensor = model(torch.tensor([ids])).logits[0].float()
    return found


@torch.no_grad()
def states(model: Any, ids: list[int]) -> Tensor:
    found: Tensor = model.base_model(torch.tensor([ids])).last_hidden_state[0].float()
    return found


def check(
    engine: InProcessEngine, params: PoolParams, want: Callable[[list[int]], Tensor], tolerance: float = 1e-4
) -> None:
    """All texts in one batch, each against what it gives alone."""
    for ids, got in zip(given := texts(), engine.pool(given, params), strict=True):
        expected = want(ids)
        assert got.shape == expected.shape
        assert (got - expected).abs().max() < tolerance, len(ids)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Qwen2ForSequenceClassification", {}),
        ("LlamaForSequenceClassification", {"num_labels": 1}),
        ("Gemma2ForSequenceClassification", {"head_dim": 32, "sliding_window": 20}),
        ("JambaForSequenceClassification", _JAMBA),
        ("DeepseekV3ForSequenceClassification", _MLA),
        ("GptOssForSequenceClassification", _GPT_OSS),
    ],
)
@pytest.mark.parametrize("chunk", [16, 512], ids=["chunks", "whole"])
def test_sequence_classifiers(name: str, changes: dict[str, Any], chunk: int, tmp_path: Path) -> None:
    """The last token's state through ``score``, in one step and in chunks of 16 tokens."""
    theirs = make(name, tmp_path, **changes)
    engine = InProcessEngine(tmp_path, max_num_batched_tokens=chunk)
    assert engine.info.tasks == {"classify", "token_classify"}
    check(engine, CLASSIFY, lambda ids: logits(theirs, ids))


def test_token_classifier(tmp_path: Path) -> None:
    """``score`` with a bias, for every token."""
    theirs = make("LlamaForTokenClassification", tmp_path)
    assert "score.bias" in load_file(tmp_path / "model.safetensors")
    engine = InProcessEngine(tmp_path)
    assert engine.info.tasks == {"token_classify"}
    check(engine, TOKEN_CLASSIFY, lambda ids: logits(theirs, ids))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Qwen3Model", {}),
        ("MistralModel", {}),
        ("Qwen2ForCausalLM", {"runner": "pooling"}),
        ("LlamaForCausalLM", {"convert": "embed"}),
        ("Qwen2ForSequenceClassification", {"convert": "embed"}),
    ],
)
def test_embedders(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    """Files with and without the prefix and a head, which is not loaded."""
    theirs = make(name, tmp_path, head_dim=16)
    engine = InProcessEngine(tmp_path, **options)
    assert engine.info.tasks == {"embed", "token_embed"}
    check(engine, EMBED, lambda ids: states(theirs, ids)[-1])
    check(engine, TOKEN_EMBED, lambda ids: states(theirs, ids))
    head = engine.runner.model.head
    assert not any(isinstance(v, Tensor) for v in vars(head).values())


def test_sentence_transformers_files_make_an_embedder(tmp_path: Path) -> None:
    """A language model with modules.json is served as an embedder, as its files say."""
    theirs = make("Qwen3ForCausalLM", tmp_path, head_dim=16)
    kinds = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for kind, path in kinds]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    want = torch.nn.functional.normalize
    check(InProcessEngine(tmp_path), PoolParams("embed"), lambda ids: want(states(theirs, ids).mean(dim=0), dim=0))


@pytest.mark.parametrize(
    ("pooling", "pick"),
    [
        ("avg", lambda s: s.mean(dim=0)),
        ("cls", lambda s: s[0]),
        ("last", lambda s: s[-1]),
        (None, lambda s: s.mean(dim=0)),
    ],
)
def test_bidirectional_llama(pooling: str | None, pick: Callable[[Tensor], Tensor], tmp_path: Path) -> None:
    theirs = make("LlamaModel", tmp_path, is_causal=False)
    change_config(tmp_path, architectures=["LlamaBidirectionalModel"], **({"pooling": pooling} if pooling else {}))
    engine = InProcessEngine(tmp_path)
    assert engine.pooling is not None
    assert engine.pooling.whole
    check(engine, EMBED, lambda ids: pick(states(theirs, ids)))


def test_bidirectional_llama_classifier(tmp_path: Path) -> None:
    theirs = make("LlamaForSequenceClassification", tmp_path, is_causal=False, num_labels=1)
    change_config(tmp_path, architectures=["LlamaBidirectionalForSequenceClassification"], pooling="avg")
    with torch.no_grad():
        check(InProcessEngine(tmp_path), CLASSIFY, lambda ids: theirs.score(states(theirs, ids).mean(dim=0)))


def test_unknown_bidirectional_pooling(tmp_path: Path) -> None:
    make("LlamaModel", tmp_path)
    change_config(tmp_path, architectures=["LlamaBidirectionalModel"], pooling="max")
    with pytest.raises(ConfigError, match="pooling 'max'"):
        InProcessEngine(tmp_path)


def test_gemma3_both_ways(tmp_path: Path) -> None:
    """Its windows are as wide to both sides together as they say."""
    theirs = make(
        "Gemma3TextModel",
        tmp_path,
        use_bidirectional_attention=True,
        sliding_window=12,
        head_dim=16,
        layer_types=["sliding_attention", "full_attention"],
    )
    check(InProcessEngine(tmp_path), TOKEN_EMBED, lambda ids: states(theirs, ids))


@pytest.mark.parametrize(("name", "labels"), [("Qwen2ForRewardModel", 1), ("Qwen2ForProcessRewardModel", 2)])
def test_reward_models(name: str, labels: int, tmp_path: Path) -> None:
    """Their head has a hidden layer; the process model's rows are those of the tokens that end a step."""
    theirs = make("Qwen2ForSequenceClassification", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["score.weight"]
    generator = torch.Generator().manual_seed(2)
    for part, out in (("score.0", 64), ("score.2", labels)):
        tensors[f"{part}.weight"] = torch.randn(out, 64, generator=generator) / 8
        tensors[f"{part}.bias"] = torch.randn(out, generator=generator)
    save_file(tensors, tmp_path / "model.safetensors")
    change_config(tmp_path, architectures=[name])

    def want(ids: list[int]) -> Tensor:
        hidden = torch.relu(states(theirs, ids) @ tensors["score.0.weight"].T + tensors["score.0.bias"])
        return hidden @ tensors["score.2.weight"].T + tensors["score.2.bias"]

    engine = InProcessEngine(tmp_path)
    assert engine.info.tasks == {"token_classify"}
    assert engine.pooling is not None
    if labels == 1:
        check(engine, TOKEN_CLASSIFY, want)
        return
    assert (engine.pooling.token_pooler, engine.pooling.step_tag_id) == ("step", 151651)
    tagged = InProcessEngine(tmp_path, pooler_config={"step_tag_id": 7})
    given = [[9, 7, 12, 10, 7], [8, 6, 7], [*texts()[0], 7]]
    for ids, got in zip(given, tagged.pool(given, TOKEN_CLASSIFY), strict=True):
        expected = want(ids)[[i for i, token in enumerate(ids) if token == 7]]
        assert got.shape == expected.shape
        assert (got - expected).abs().max() < 1e-4


def test_wrong_number_of_classes(tmp_path: Path) -> None:
    make("Qwen2ForSequenceClassification", tmp_path)
    change_config(tmp_path, id2label={"0": "a", "1": "b"})
    with pytest.raises(ConfigError, match=r"2 classes \(id2label\), score.weight 3"):
        InProcessEngine(tmp_path)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("method", ["from_2_way_softmax", "no_post_processing"])
def test_classifier_made_of_tokens(method: str, tied: bool) -> None:
    """Two rows of the language model's head, or what makes a sigmoid of the softmax over the two."""
    labels = ("yes",) if method == "from_2_way_softmax" else ("no", "yes")
    pooling = PoolingInfo(
        task="classify", size=16, labels=labels, classifier_from_token=(4, 9), classifier_method=method
    )
    backend = ReferenceBackend("cpu")
    ctx = ModelContext(torch.bfloat16, torch.device("cpu"), OneRank(), lambda op, **facts: backend, pooling)
    embedding = VocabEmbedding(ctx, "model.embed_tokens", 20, 16)
    head = Head(ctx, "lm_head", embedding, 16, tied=tied)
    torch.manual_seed(0)
    rows, other = torch.randn(20, 16).bfloat16(), torch.randn(20, 16).bfloat16()
    tensors = (
        {"model.embed_tokens.weight": rows, "lm_head.weight": rows}
        if tied
        else {"model.embed_tokens.weight": other, "lm_head.weight": rows}
    )
    report = ctx.weights.load(tensors.items())
    assert not report.missing
    assert not report.unexpected
    pooled = torch.randn(5, 16)
    full = pooled @ rows.float().T
    got = head.classify(pooled)
    if method == "no_post_processing":
        torch.testing.assert_close(got, full[:, [4, 9]])
    else:
        torch.testing.assert_close(torch.sigmoid(got)[:, 0], torch.softmax(full[:, [4, 9]], dim=-1)[:, 1])
