"""The same logits and tokens as transformers, from checkpoints of today and of the time of release."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from frameworkctl.testing import InProcessEngine, Parity, random_checkpoint
from frameworkctl.testing.parity import GREEDY, prompts

pytest_plugins = ["frameworkctl.testing.fixtures"]


def tiny(folder: Path, **changes: Any) -> Path:
    from transformers import GPTNeoXConfig

    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
    sizes = {"vocab_size": 320, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3}
    config = GPTNeoXConfig(
        **{**sizes, "num_attention_heads": 4, "max_position_embeddings": 512, "rope_parameters": rope, **changes}
    )
    return random_checkpoint(config, folder)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("gpt-neox"))


def test_parity(parity: Parity) -> None:
    parity.check()


@pytest.mark.parametrize(
    "changes",
    [
        {"use_parallel_residual": False},
        {"attention_bias": False},
        {"tie_word_embeddings": True},
        {"hidden_act": "gelu_new"},
    ],
    ids=str,
)
def test_switches_of_the_config(changes: dict[str, Any], tmp_path: Path) -> None:
    Parity(tiny(tmp_path, **changes), "batch").check()


def test_a_checkpoint_as_it_was_released(checkpoint: Path, tmp_path: Path) -> None:
    """Rotary parameters under their old names, and masks among the weights."""
    config = json.loads((checkpoint / "config.json").read_text())
    rope = config.pop("rope_parameters")
    config |= {"rotary_pct": rope["partial_rotary_factor"], "rotary_emb_base": 10000}
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights = safetensors.torch.load_file(checkpoint / "model.safetensors")
    weights["gpt_neox.layers.0.attention.bias"] = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors")
    old, new = InProcessEngine(tmp_path), InProcessEngine(checkpoint)
    given = prompts(new, (9, 30))
    assert old.generate(given, GREEDY) == new.generate(given, GREEDY)


def test_the_server_reads_it_without_torch() -> None:
    code = "import sys, frameworkctl_gpt_neox; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
