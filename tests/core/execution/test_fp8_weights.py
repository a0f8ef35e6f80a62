"""Block-scaled FP8 checkpoints: the same logits as transformers with the weights made plain by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from frameworkctl.errors import ConfigError
from frameworkctl.execution.weights.fp8 import SCALE, expanded
from frameworkctl.params import SamplingParams
from frameworkctl.testing import InProcessEngine
from safetensors.torch import load_file, save_file
from support.checkpoints.tiny import VOCAB, build_model, make_checkpoint
from torch import Tensor

GREEDY = SamplingParams(max_tokens=24, temperature=0.0, ignore_eos=True)
LARGEST = 448.0  # of float8_e4m3fn
Tensors = dict[str, Tensor]


def blocks(n: int, size: int) -> list[slice]:
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]


def quantise(weight: Tensor, block: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """``weight`` in FP8, the scales of its blocks, and what the two stand for, block by block."""
    rows, columns = (blocks(n, size) for n, size in zip(weight.shape, block, strict=True))
    fp8, scales = torch.empty(weight.shape, dtype=torch.float8_e4m3fn), torch.empty(len(rows), len(columns))
    plain = torch.empty(weight.shape)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            scales[i, j] = weight[row, column].abs().max() / LARGEST
            fp8[row, column] = (weight[row, column] / scales[i, j]).to(torch.float8_e4m3fn)
            plain[row, column] = fp8[row, column].float() * scales[i, j]
    return fp8, scales, plain


def fp8_checkpoint(folder: Path, block: tuple[int, int], layout: str) -> Any:
    """A Llama whose projections are FP8; returns transformers' model with the same weights, plain.

    ``layout``: ``one`` file; scales in a shard that is read ``before``, or ``after``, that of the weights.
    """
    make_checkpoint("llama", folder, hidden_size=96, intermediate_size=200, head_dim=24)
    model = build_model("llama", hidden_size=96, intermediate_size=200, head_dim=24)
    weights: Tensors = load_file(folder / "model.safetensors")
    scales: Tensors = {}
    for name in [n for n in weights if n.endswith("_proj.weight")]:
        # Blocks of very different sizes, so that a scale used for its neighbour shows
        weights[name] *= torch.logspace(-0.5, 0.5, weights[name].shape[1])
        weights[name], scales[name + SCALE], plain = quantise(weights[name], block)
        model.get_parameter(name).data.copy_(plain)
    assert len(scales) == 4 * 7
    (folder / "model.safetensors").unlink()
    if layout == "one":
        shards = {"model.safetensors": weights | scales}
    else:
        order = (scales, weights) if layout == "before" else (weights, scales)
        shards = {f"model-0000{i}-of-00002.safetensors": part for i, part in enumerate(order, start=1)}
        index = {name: file for file, part in shards.items() for name in part}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    for file, part in shards.items():
        save_file(part, folder / file)
    change_config(
        folder,
        quantization_config={
            "quant_method": "fp8",
            "fmt": "e4m3",
            "activation_scheme": "dynamic",
            "weight_block_size": list(block),
        },
    )
    return model


def change_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(("block", "layout"), [((128, 128), "one"), ((40, 36), "before"), ((128, 16), "after")])
def test_logits_are_those_of_the_plain_weights(tmp_path: Path, block: tuple[int, int], layout: str) -> None:
    """Matrices of 48 to 200 rows and columns: smaller than a block, larger, and no multiple of it."""
    oracle = fp8_checkpoint(tmp_path, block, layout)
    engine = InProcessEngine(tmp_path)
    engine.record_logits = True
    torch.manual_seed(1)
    prompt = torch.randint(5, VOCAB, (33,)).tolist()
    [output] = engine.generate([prompt], GREEDY)
    with torch.no_grad():
        want = oracle(torch.tensor([prompt + output])).logits[0, len(prompt) - 1 : -1]
    assert (torch.stack(engine.logits[1]) - want).abs().max() < 1e-3
    assert want.argmax(-1).tolist() == output


def test_values_in_half_precision_are_rounded_once() -> None:
    """In bfloat16: the product in fp32, rounded; stacked experts have scales of their own each."""
    torch.manual_seed(0)
    parts = [quantise(torch.randn(130, 70), (64, 32)) for _ in range(3)]
    fp8, scales, plain = (torch.stack(p) for p in zip(*parts, strict=True))
    [(name, got)] = expanded(iter([("experts", fp8)]), {"experts": scales}, (64, 32), torch.bfloat16)
    assert name == "experts"
    assert torch.equal(got, plain.to(torch.bfloat16))


def test_one_weight_at_a_time() -> None:
    """The stage holds nothing back, whatever the order: it has read no further than what it handed on."""
    fp8, scales, _ = quantise(torch.randn(8, 8), (4, 4))
    read = 0

    def source() -> Iterator[tuple[str, Tensor]]:
        nonlocal read
        for i in range(50):
            read += 1
            yield f"{i}.weight", fp8

    stage = expanded(source(), {f"{i}.weight": scales for i in range(50)}, (4, 4), torch.float32)
    for handed_on, (name, tensor) in enumerate(stage, start=1):
        assert tensor.dtype is torch.float32, name
        assert read == handed_on
    assert read == 50


def edit(folder: Path, change: str) -> None:
    """One mistake in the shard of a checkpoint of one file."""
    name = "model.layers.1.mlp.up_proj.weight"
    tensors = load_file(folder / "model.safetensors")
    if change == "no scales":
        del tensors[name + SCALE]
    elif change == "no weight":
        del tensors[name]
    elif change == "other shape":
        tensors[name + SCALE] = tensors[name + SCALE].repeat(1, 2)
    elif change == "other type":
        tensors[name] = tensors[name].float()
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("no scales", r"'model.layers.1.mlp.up_proj.weight' has no scales"),
        ("no weight", r"1 tensors are missing from .*: model.layers.1.mlp.up_proj.weight"),
        ("other shape", r"'model.layers.1.mlp.up_proj.weight': scales \[2, 2\] for a weight \[200, 96\], not \[2, 1\]"),
        ("other type", r"'model.layers.1.mlp.up_proj.weight' has FP8 scales, but is float32 \[200, 96\]"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, change: str, message: str) -> None:
    fp8_checkpoint(tmp_path, (128, 128), "one")
    edit(tmp_path, change)
    with pytest.raises(ConfigError, match=message):
        InProcessEngine(tmp_path)
