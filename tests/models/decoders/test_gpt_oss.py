"""gpt-oss against transformers on the same weights, plain and in MXFP4."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from frameworkctl.interfaces import ConfigError
from frameworkctl.testing import MODES, InProcessEngine, Parity, random_checkpoint
from frameworkctl.testing.parity import GREEDY, prompts
from frameworkctl_models.gpt_oss.config import gpt_oss_config
from frameworkctl_models.gpt_oss.weights import dequantise, expert_layout
from safetensors.torch import load_file, save_file
from support.serving.watch import watched

_SIZE: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 24,
    "num_local_experts": 6,
    "num_experts_per_tok": 2,
    "sliding_window": 20,
    "max_position_embeddings": 1024,
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
    "truncate": False,
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Experts with wide biases, so that some gates reach their limit."""
    from transformers import GptOssConfig

    folder = random_checkpoint(
        GptOssConfig(**_SIZE, rope_parameters=_YARN), tmp_path_factory.mktemp("gpt-oss") / "plain"
    )
    tensors = load_file(folder / "model.safetensors")
    generator = torch.Generator().manual_seed(1)
    for name, tensor in tensors.items():
        if name.endswith(("proj_bias", "sinks", "router.bias")):
            wide = 6.0 if name.endswith("gate_up_proj_bias") else 1.0
            tensor.copy_(wide * torch.randn(tensor.shape, generator=generator))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def packed(plain: Path) -> Path:
    """The same model with random four-bit experts."""
    folder = plain.with_name("packed")
    folder.mkdir()
    tensors, generator = load_file(plain / "model.safetensors"), torch.Generator().manual_seed(2)
    for name in [n for n in tensors if n.endswith(("gate_up_proj", "down_proj"))]:
        experts, columns, rows = tensors.pop(name).shape
        tensors[f"{name}_blocks"], tensors[f"{name}_scales"] = four_bits((experts, rows, columns // 32), generator)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((plain / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "mxfp4",
        "dequantize": True,
    }  # the latter for transformers on a CPU
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def four_bits(shape: tuple[int, ...], generator: torch.Generator, low: int = 122, high: int = 125) -> Any:
    blocks = torch.randint(0, 256, (*shape, 16), dtype=torch.uint8, generator=generator)
    return blocks, torch.randint(low, high, shape, dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("mode", MODES)
def test_parity(plain: Path, mode: str) -> None:
    Parity(plain, mode).check()


@pytest.mark.parametrize("mode", ["batch", "chunks", "preemption"])
def test_parity_with_overlap(plain: Path, mode: str) -> None:
    """Steps planned while the one before them runs."""
    Parity(plain, mode).check(overlap=True)


def test_forward_never_waits_for_values(plain: Path) -> None:
    engine = InProcessEngine(plain, max_num_batched_tokens=48)
    seen = watched(engine)
    engine.generate(prompts(engine, (70, 60, 5)), GREEDY)
    assert {(batch.shape.decode_only, batch.shape.max_query > 1) for batch, _ in seen} == {(True, False), (False, True)}


def test_parity_of_a_four_bit_checkpoint(packed: Path) -> None:
    """Against transformers, which reads the same files."""
    Parity(packed, "batch").check()


def test_windows_and_full_layers_are_groups(plain: Path) -> None:
    groups = InProcessEngine(plain).built.layout.groups
    assert [(g.kind, g.window, g.layers) for g in groups] == [("window", 20, (0, 2)), ("full", None, (1, 3))]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_four_bit_values_are_transformers_own(dtype: torch.dtype) -> None:
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    blocks, scales = four_bits((3, 10, 4), torch.Generator().manual_seed(0), low=90, high=160)
    want = convert_moe_packed_tensors(blocks, scales, dtype=dtype)
    got = dequantise(blocks, scales, dtype)
    assert got.dtype == dtype
    assert torch.equal(got.transpose(1, 2), want)


def test_halves_may_be_far_apart_and_are_named_when_alone() -> None:
    blocks, scales = four_bits((2, 4, 1), torch.Generator().manual_seed(0))
    name = "model.layers.0.mlp.experts.down_proj"
    want = dequantise(blocks, scales, torch.float32)
    for stream in ([("_scales", scales), ("_blocks", blocks)], [("_blocks", blocks), ("_scales", scales)]):
        given = [(name + stream[0][0], stream[0][1]), ("other", scales), (name + stream[1][0], stream[1][1])]
        out = dict(expert_layout(given, torch.float32))
        assert list(out) == ["other", name]
        assert torch.equal(out[name], want)
    assert list(dict(expert_layout([(f"{name}_blocks", blocks)], torch.float32))) == [f"{name}_blocks"]
    with pytest.raises(ConfigError, match="down_proj"):
        list(expert_layout([(f"{name}_blocks", blocks), (f"{name}_scales", scales[:, :2])], torch.float32))


RAW = {"architectures": ["GptOssForCausalLM"], **_SIZE}


def test_what_config_json_leaves_out() -> None:
    config = gpt_oss_config({**RAW, "num_hidden_layers": 3})
    assert config.windows == (20, None, 20)
    assert (config.rope["rope_type"], config.rope["factor"], config.rope["rope_theta"]) == ("yarn", 32.0, 150000.0)
    assert config.rope["truncate"] is False


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"swiglu_limit": 5.0}, "swiglu_limit 5.0"),
        ({"swiglu_alpha": 1.0}, "swiglu_alpha"),
        ({"hidden_act": "gelu"}, "gelu"),
    ],
)
def test_what_cannot_be_run_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        gpt_oss_config({**RAW, **changes})


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match="lacks 'num_local_experts'"):
        gpt_oss_config({name: value for name, value in RAW.items() if name != "num_local_experts"})
