"""Steps that are played back give the logits of the model's own code to the last bit, whoever runs in them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from frameworkctl.params import SamplingParams
from frameworkctl.testing import InProcessEngine
from frameworkctl.testing.checkpoints import random_checkpoint
from support.checkpoints.decoder_families import CONFIGS, config_of
from support.checkpoints.tiny import FAMILIES
from support.engine.cpu_backend import need_compiled

# with experts, windows, operations of torch between kernels
OTHERS = (
    "mixtral",
    "gemma3",
    "olmo",
    "stablelm-parallel",
    "granite",
    "apertus",
)
LENGTHS = (5, 61, 17, 100, 90, 30)


@pytest.fixture(autouse=True)
def compiled() -> None:
    need_compiled()


@pytest.fixture(scope="module", params=[*sorted(FAMILIES), *OTHERS])
def folder(
    request: pytest.FixtureRequest, checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    if request.param in checkpoints:
        return checkpoints[request.param]
    assert request.param in CONFIGS
    return random_checkpoint(config_of(request.param), tmp_path_factory.mktemp(request.param))


def life(folder: Path, *, eager: bool, **options: object) -> tuple[dict[int, list[torch.Tensor]], Counter[str]]:
    """Logits of sequences of many lengths that come and go and are preempted, and how their steps were computed."""
    sizes = {"max_model_len": 200, "max_num_batched_tokens": 32}
    need = InProcessEngine(folder, **sizes).built.layout.max_pages(200, 32)
    engine = InProcessEngine(
        folder,
        backend="cpu",
        enforce_eager=eager,
        overlap=True,
        num_gpu_blocks_override=need * 12 // 10,
        **sizes,
        **options,
    )
    engine.record_logits = True
    steps: Counter[str] = Counter()
    forward, run = engine.runner.replays.forward, engine.runner.replays._run

    def counted(batch: object) -> torch.Tensor:
        steps["python"] += 1
        return run(batch)

    def forwarded(batch: object) -> torch.Tensor:
        steps["all"] += 1
        return forward(batch)

    engine.runner.replays._run, engine.runner.replays.forward = counted, forwarded
    generator = torch.Generator().manual_seed(0)
    for number, length in enumerate(LENGTHS):
        prompt = torch.randint(5, engine.info.vocab_size, (length,), generator=generator).tolist()
        engine.add(prompt, SamplingParams(max_tokens=20 + 13 * number, temperature=0.0, ignore_eos=True))
        for _ in range(9 * number):
            engine.step()
    engine.run()
    engine.check_idle()
    steps["preempted"] = engine.scheduler.preemptions
    return engine.logits, steps


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_same_bits(folder: Path, dtype: str) -> None:
    want, plain = life(folder, eager=True, dtype=dtype)
    got, steps = life(folder, eager=False, dtype=dtype)
    assert plain["python"] == plain["all"] == steps["all"]
    assert steps["python"] < steps["all"] / 2
    assert steps["preempted"] > 0
    assert got.keys() == want.keys()
    for number, rows in want.items():
        assert torch.equal(torch.stack(got[number]), torch.stack(rows)), f"sequence {number}"


@pytest.mark.parametrize("quantization", ["int8", "int4"])
def test_same_bits_with_rounded_weights(checkpoints: dict[str, Path], quantization: str) -> None:
    want, _ = life(checkpoints["qwen2"], eager=True, dtype="bfloat16", quantization=quantization)
    got, steps = life(checkpoints["qwen2"], eager=False, dtype="bfloat16", quantization=quantization)
    assert steps["python"] < steps["all"] / 2
    assert all(torch.equal(torch.stack(got[n]), torch.stack(rows)) for n, rows in want.items())


def test_same_bits_with_drafts(checkpoints: dict[str, Path]) -> None:
    """Steps of several tokens for a sequence, most of which are wrong."""
    drafts = {"speculative_config": {"method": "ngram", "num_speculative_tokens": 3, "prompt_lookup_min": 1}}
    want, _ = life(checkpoints["llama"], eager=True, **drafts)
    got, steps = life(checkpoints["llama"], eager=False, **drafts)
    assert steps["python"] < steps["all"] / 2
    assert all(torch.equal(torch.stack(got[n]), torch.stack(rows)) for n, rows in want.items())


def test_reference_runs_the_models_own_code(checkpoints: dict[str, Path]) -> None:
    engine = InProcessEngine(checkpoints["llama"], backend="reference")
    calls = 0
    forward = engine.runner.model.forward

    def counted(batch: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return forward(batch)

    engine.runner.model.forward = counted
    engine.generate([[5, 6, 7]], SamplingParams(max_tokens=20, temperature=0.0, ignore_eos=True))
    assert calls == engine.steps == 20
