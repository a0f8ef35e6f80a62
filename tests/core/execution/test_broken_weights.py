"""Weights that are damaged: the error names the file and the remedy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from frameworkctl.errors import ConfigError
from frameworkctl.testing import InProcessEngine
from safetensors.torch import load_file, save_file

NAME = "model.safetensors"
AGAIN = "download or copy"


def cut(file: Path, to: int) -> None:
    file.write_bytes(file.read_bytes()[:to])


def index(file: Path, text: str) -> None:
    (file.parent / f"{NAME}.index.json").write_text(text)


def pickled(file: Path) -> None:
    file.rename(file.with_name("pytorch_model.bin"))
    file.with_name("pytorch_model.bin").write_bytes(b"garbage")


def reshaped(file: Path, name: str, *shape: int) -> None:
    weights = load_file(file)
    weights[name] = torch.zeros(shape)
    save_file(weights, file, metadata={"format": "pt"})


Q = "model.layers.1.self_attn.q_proj.weight"
NORM = "model.layers.0.input_layernorm.weight"
DAMAGES: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "cut": (lambda f: cut(f, f.stat().st_size - 100), (NAME, AGAIN)),
    "cut header": (lambda f: cut(f, 20), (NAME, AGAIN)),
    "empty": (lambda f: cut(f, 0), (NAME, AGAIN)),
    "garbage": (lambda f: f.write_bytes(b"\xff" * 4096), (NAME, AGAIN)),
    "a pointer": (lambda f: f.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), (NAME, AGAIN)),
    "huge header": (lambda f: f.write_bytes((1 << 62).to_bytes(8, "little")), (NAME, AGAIN)),
    "index of nothing": (
        lambda f: index(f, json.dumps({"weight_map": {"a": "b.safetensors"}})),
        ("b.safetensors", AGAIN),
    ),
    "index of numbers": (lambda f: index(f, json.dumps({"weight_map": {"a": 1}})), (f"{NAME}.index.json", AGAIN)),
    "index not JSON": (lambda f: index(f, "{"), (f"{NAME}.index.json", AGAIN)),
    "index without map": (lambda f: index(f, "{}"), (f"{NAME}.index.json", AGAIN)),
    "pickled": (pickled, ("pytorch_model.bin", "convert to safetensors")),
    "too small": (lambda f: reshaped(f, Q, 3, 5), (NAME, Q, "[3, 5]")),
    "too large": (lambda f: reshaped(f, Q, 512, 64), (NAME, Q, "[512, 64]")),
    "wrong norm": (lambda f: reshaped(f, NORM, 7), (NAME, NORM, "[7]")),
    "scalar": (lambda f: reshaped(f, Q), (NAME, Q, "[]")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_one_line_names_the_file(damage: str, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(checkpoints["llama"], folder := tmp_path / "m")
    change, wanted = DAMAGES[damage]
    change(folder / NAME)
    with pytest.raises(ConfigError) as caught:
        InProcessEngine(folder)
    message = str(caught.value)
    assert "\n" not in message
    for part in wanted:
        assert part in message
