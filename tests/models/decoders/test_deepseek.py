"""DeepSeek-V2 and V3 against transformers on the same weights, and what is read from their config.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from frameworkctl.interfaces import ConfigError, SamplingParams
from frameworkctl.testing import MODES, InProcessEngine, Parity, random_checkpoint
from frameworkctl.testing.parity import GREEDY, prompts
from frameworkctl_models.deepseek.config import deepseek_config
from frameworkctl_models.deepseek.model import attention_scale
from support.serving.watch import watched

_SIZE: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "moe_intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 1024,
    "kv_lora_rank": 24,
    "q_lora_rank": 20,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "v_head_dim": 12,
    "n_routed_experts": 8,
    "num_experts_per_tok": 3,
    "n_shared_experts": 2,
    "first_k_dense_replace": 1,
    "n_group": 4,
    "topk_group": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "original_max_position_embeddings": 64,
    "beta_fast": 32,
    "beta_slow": 1,
    "mscale": 1.0,
    "mscale_all_dim": 0.7,
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "v2, greedy": ("DeepseekV2Config", {"topk_method": "greedy", "q_lora_rank": None, "routed_scaling_factor": 1.5}),
    "v2, groups": (
        "DeepseekV2Config",
        {"topk_method": "group_limited_greedy", "routed_scaling_factor": 4.0, "rope_parameters": _YARN},
    ),
    "v3": ("DeepseekV3Config", {"rope_parameters": _YARN, "attention_bias": True}),
    "v3, one matrix for queries": (
        "DeepseekV3Config",
        {"q_lora_rank": None, "rope_interleave": False, "norm_topk_prob": False, "first_k_dense_replace": 0},
    ),
}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    import transformers

    root = tmp_path_factory.mktemp("deepseek")
    return {
        name: make(getattr(transformers, config)(**{**_SIZE, **changes}), root / str(number))
        for number, (name, (config, changes)) in enumerate(CASES.items())
    }


def make(config: Any, folder: Path) -> Path:
    """A random checkpoint in which the correction bias of the router decides, too; transformers leaves it zero."""
    from safetensors.torch import load_file, save_file

    random_checkpoint(config, folder)
    tensors = load_file(folder / "model.safetensors")
    generator = torch.Generator().manual_seed(1)
    for name, tensor in tensors.items():
        if name.endswith("e_score_correction_bias"):
            tensor.add_(0.3 * torch.randn(tensor.shape, generator=generator))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_parity(checkpoints: dict[str, Path], name: str, mode: str) -> None:
    Parity(checkpoints[name], mode).check()


@pytest.mark.parametrize("mode", ["batch", "chunks", "preemption"])
def test_parity_with_overlap(checkpoints: dict[str, Path], mode: str) -> None:
    """Steps planned while the one before them runs."""
    Parity(checkpoints["v3"], mode).check(overlap=True)


def test_forward_never_waits_for_values(checkpoints: dict[str, Path]) -> None:
    engine = InProcessEngine(checkpoints["v3"], max_num_batched_tokens=48)
    seen = watched(engine)
    engine.generate(prompts(engine, (70, 60, 5)), GREEDY)
    assert {(batch.shape.decode_only, batch.shape.max_query > 1) for batch, _ in seen} == {(True, False), (False, True)}


def test_the_cache_holds_one_latent_per_token(checkpoints: dict[str, Path]) -> None:
    engine = InProcessEngine(checkpoints["v3"])
    assert {layer.token_bytes(torch.float32) for layer in engine.runner.model.cache_layers()} == {(24 + 8) * 4}
    assert [group.kind for group in engine.built.layout.groups] == ["latent"]
    assert engine.built.layout.bytes_per_page == 3 * 16 * (24 + 8) * 4


def test_layers_for_drafting_are_not_loaded(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    source, config = checkpoints["v3"], json.loads((checkpoints["v3"] / "config.json").read_text())
    tensors = load_file(source / "model.safetensors")
    extra = {n.replace("layers.2.", "layers.3."): t + 1 for n, t in tensors.items() if "layers.2." in n}
    save_file({**tensors, **extra, "model.layers.3.enorm.weight": torch.ones(64)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_nextn_predict_layers": 1}))
    prompt = [list(range(5, 25))]
    params = SamplingParams(max_tokens=4, temperature=0.0, ignore_eos=True)
    assert InProcessEngine(tmp_path).generate(prompt, params) == InProcessEngine(source).generate(prompt, params)
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_nextn_predict_layers": 0}))
    with pytest.raises(ConfigError, match=r"layers\.3"):
        InProcessEngine(tmp_path)


RAW = {"architectures": ["DeepseekV3ForCausalLM"], **_SIZE}


def test_which_layers_have_experts() -> None:
    raw = {**RAW, "num_hidden_layers": 7, "first_k_dense_replace": 3, "moe_layer_freq": 2}
    assert deepseek_config(raw).sparse == (False, False, False, False, True, False, True)
    assert not any(deepseek_config({**RAW, "n_routed_experts": None}).sparse)


def test_the_published_scale() -> None:
    """DeepSeek-R1: 192^-0.5 * (0.1 ln 40 + 1)^2."""
    rope = {
        "type": "yarn",
        "factor": 40,
        "original_max_position_embeddings": 4096,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
    }
    config = deepseek_config({**RAW, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "rope_scaling": rope})
    assert attention_scale(config) == pytest.approx(0.1352337788608801, rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scoring_func": "tanh"}, "scoring_func 'tanh'"),
        ({"topk_method": "random"}, "topk_method 'random'"),
        ({"n_group": 3}, "n_group"),
        ({"topk_group": 5}, "topk_group"),
        ({"topk_group": 1}, "n_routed_experts"),
        ({"architectures": ["LlamaForCausalLM"]}, "LlamaForCausalLM"),
    ],
)
def test_what_cannot_be_run_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        deepseek_config({**RAW, **changes})


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match="lacks 'kv_lora_rank'"):
        deepseek_config({name: value for name, value in RAW.items() if name != "kv_lora_rank"})
