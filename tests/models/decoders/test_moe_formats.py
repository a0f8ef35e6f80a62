"""Models of experts whose weights are rounded on load: what they compute, and the memory they take."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from frameworkctl import LLM
from frameworkctl import SamplingParams as Params
from frameworkctl.layers.moe import Experts
from frameworkctl.params import SamplingParams
from frameworkctl.testing import InProcessEngine, random_checkpoint
from frameworkctl_kernels.cpu.linear import PackedWeight
from frameworkctl_kernels.cpu.quantized import QuantizedWeight
from safetensors.torch import load_file, save_file
from support.checkpoints.decoder_families import SIZE
from support.checkpoints.tiny import add_text_side
from support.engine.cpu_backend import need_compiled
from support.engine.first_logits import first_logits, random_prompts

HIDDEN = INNER = 128
_SIZE = {**SIZE, "hidden_size": HIDDEN, "moe_intermediate_size": INNER, "intermediate_size": INNER}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "mixtral": ("MixtralConfig", {"num_local_experts": 5, "num_experts_per_tok": 2}),
    "qwen3_moe": ("Qwen3MoeConfig", {"num_experts": 9, "num_experts_per_tok": 8, "head_dim": 32}),
    "gpt_oss": ("GptOssConfig", {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 32}),
}
BYTES = {"int8": 1 + 4 * 3 / (HIDDEN + 2 * INNER), "int4": 0.5 + 4 / 32}  # of a weight, with its scales


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import transformers

    name, own = FAMILIES[request.param]
    config = getattr(transformers, name)(**{**_SIZE, "num_hidden_layers": 2, **own})
    made: Path = random_checkpoint(config, tmp_path_factory.mktemp(request.param))
    add_text_side(made)
    return made


@pytest.fixture(autouse=True)
def _compiled() -> None:
    need_compiled()


def taken(weight: PackedWeight | QuantizedWeight) -> int:
    """Bytes."""
    parts = weight._panels, weight._scales if isinstance(weight, QuantizedWeight) else weight._notes
    return sum(p.nbytes for p in parts if p is not None)


@pytest.mark.parametrize("fmt", ["int8", "int4"])
def test_memory(folder: Path, fmt: str) -> None:
    """Every matrix of every expert is rounded, with all that is kept for it; the router is not."""
    engine = InProcessEngine(folder, dtype="bfloat16", quantization=fmt, backend="cpu")
    blocks = [m for m in engine.runner.model.modules() if isinstance(m, Experts)]
    assert len(blocks) == 2
    for block in blocks:
        weights = [*block.packed.gate_up, *block.packed.down]
        numbers = block.experts * 3 * HIDDEN * INNER
        assert sum(w.shape[0] * w.shape[1] for w in weights) == numbers
        assert sum(map(taken, weights)) == pytest.approx(BYTES[fmt] * numbers)
    routers = [m.packed for n, m in engine.runner.model.named_modules() if n.endswith("router")]
    assert len(routers) == 2
    assert all(isinstance(r, PackedWeight) for r in routers)


@pytest.mark.parametrize(("fmt", "least"), [("int8", 0.998), ("int4", 0.4)])
def test_logits(folder: Path, fmt: str, least: float) -> None:
    """Both backends compute with the same rounded weights, which are near the given ones and not the same.

    Not very near in 4 bits, where random routers choose other experts.
    """
    plain = first_logits(folder)
    rounded, reference = (first_logits(folder, quantization=fmt, backend=name) for name in ("cpu", "reference"))
    assert (rounded - reference).abs().max() < 1e-2 * reference.abs().max()
    likeness = torch.nn.functional.cosine_similarity(rounded, plain)
    assert (likeness > least).all()
    assert not torch.allclose(rounded, plain, rtol=1e-4)


@pytest.mark.parametrize("folder", ["qwen3_moe"], indirect=True)
@pytest.mark.parametrize("fmt", ["int8", "int4"])
def test_fp8_checkpoint(folder: Path, fmt: str, tmp_path: Path) -> None:
    """Experts in FP8 are made plain and rounded then: as a checkpoint of those plain weights."""
    plain, fp8 = (shutil.copytree(folder, tmp_path / name) for name in ("plain", "fp8"))
    tensors = load_file(folder / "model.safetensors")
    small, generator = dict(tensors), torch.Generator().manual_seed(0)
    experts = [n for n in tensors if ".experts." in n]
    assert len(experts) == 2 * 9 * 3
    for name in experts:
        small[name] = (tensors[name] * 100).to(torch.float8_e4m3fn)
        scale = torch.rand(HIDDEN // 64, INNER // 32, generator=generator) / 100
        small[f"{name}_scale_inv"] = scale
        tensors[name] = small[name].float() * scale.repeat_interleave(64, 0).repeat_interleave(32, 1)
    for place, kept in ((plain, tensors), (fp8, small)):
        save_file(kept, place / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((fp8 / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "fp8", "weight_block_size": [64, 32]}
    (fp8 / "config.json").write_text(json.dumps(config))
    got, want = (first_logits(place, quantization=fmt, dtype="bfloat16") for place in (fp8, plain))
    assert torch.equal(got, want)


@pytest.mark.parametrize(("dtype", "fmt"), [("float32", "int8"), ("bfloat16", "int4"), ("bfloat16", None)], ids=str)
def test_deterministic(folder: Path, dtype: str, fmt: str | None) -> None:
    """Alone, in a batch of 24, and with the prompts in chunks: the same logits to the last bit."""
    options = {"dtype": dtype, "deterministic": True, "quantization": fmt, "max_num_seqs": 32, "prefix_caching": False}
    greedy, given = SamplingParams(max_tokens=4, temperature=0.0), random_prompts(24, SIZE["vocab_size"], 40)
    engines = [InProcessEngine(folder, **options, **more) for more in ({}, {"max_num_batched_tokens": 48}, {})]
    for engine in engines:
        engine.record_logits = True
    together, chunked, alone = engines
    tokens = together.generate(given, greedy)
    assert chunked.generate(given, greedy) == tokens
    for index, number in enumerate((1, 11, 24), start=1):
        assert alone.generate([given[number - 1]], greedy) == [tokens[number - 1]]
        for other in (chunked.logits[number], alone.logits[index]):
            assert all(torch.equal(a, b) for a, b in zip(together.logits[number], other, strict=True))


@pytest.mark.parametrize("folder", ["mixtral"], indirect=True)
def test_in_a_program(folder: Path) -> None:
    """An engine process of its own takes the option for such a model, and computes the same."""
    given = random_prompts(2, SIZE["vocab_size"], 40)
    want = InProcessEngine(folder, quantization="int8").generate(given, SamplingParams(max_tokens=5, temperature=0.0))
    with LLM(folder, dtype="float32", quantization="int8", max_model_len=128, threads=1) as llm:
        got = llm.generate(given, Params(max_tokens=5, temperature=0.0, ignore_eos=True))
    assert [list(output.outputs[0].token_ids) for output in got] == want
