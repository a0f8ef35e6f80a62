"""Values that are not numbers: at the start, in a row of logits, in a pooled vector; whoever is beside goes on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from frameworkctl.errors import ConfigError
from frameworkctl.execution.pooling.runner import NOT_FINITE
from frameworkctl.execution.runner import NO_TOKEN, NOT_A_NUMBER
from frameworkctl.execution.weights.first_step import check_first_step
from frameworkctl.interfaces import PoolParams
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.sequence import Sequence
from frameworkctl.testing import InProcessEngine
from safetensors.torch import load_file, save_file

NAN, INF = float("nan"), float("inf")
GREEDY = SamplingParams(max_tokens=5, temperature=0.0, ignore_eos=True)
DRAWN = SamplingParams(max_tokens=5, temperature=0.8, top_p=0.9, seed=3, logprobs=2, ignore_eos=True)
PROMPTS = [[5, 6, 7], [8, 9], [10, 11, 12, 13]]


def spoiled(folder: Path, into: Path, name: str, value: float) -> Path:
    """A checkpoint with one number changed."""
    shutil.copytree(folder, into)
    weights = load_file(into / "model.safetensors")
    weights[name].view(-1)[3] = value
    save_file(weights, into / "model.safetensors", metadata={"format": "pt"})
    return into


def end(engine: InProcessEngine, seq: Sequence) -> tuple[list[int], str | None]:
    """Tokens that were sent, and the error."""
    events = engine.events[seq.id]
    return [e.token for e in events if e.token is not None], events[-1].error


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize("convert", ["none", "embed"])
def test_weights_with_nan_do_not_start(
    value: float, convert: Any, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    name = "model.layers.1.mlp.down_proj.weight"
    engine = InProcessEngine(spoiled(checkpoints["llama"], tmp_path / "bad", name, value), convert=convert)
    with pytest.raises(ConfigError, match=name) as caught:
        check_first_step(engine.built, engine.config)
    assert "not finite" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("convert", ["none", "embed"])
@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma2"])
def test_the_first_step_leaves_nothing(family: str, convert: Any, checkpoints: dict[str, Path]) -> None:
    plain, checked = (InProcessEngine(checkpoints[family], convert=convert) for _ in range(2))
    check_first_step(checked.built, checked.config)
    if convert == "embed":
        pairs = zip(*(e.pool(PROMPTS, PoolParams("embed")) for e in (plain, checked)), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    else:
        assert plain.generate(PROMPTS, GREEDY) == checked.generate(PROMPTS, GREEDY)


@pytest.mark.parametrize("params", [GREEDY, DRAWN], ids=["greedy", "drawn"])
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("values", [[NAN], [-INF]], ids=["nan", "none left"])
def test_a_row_of_logits_ends_its_own_request(
    params: SamplingParams, mixed: bool, values: list[float], checkpoints: dict[str, Path]
) -> None:
    """One NaN is enough, wherever it is; minus infinity has to be everywhere."""
    own = [params, GREEDY if mixed else params, params]
    whole = InProcessEngine(checkpoints["llama"])
    wanted = whole.generate(PROMPTS, own)
    engine = InProcessEngine(checkpoints["llama"])
    seqs = [engine.add(p, q) for p, q in zip(PROMPTS, own, strict=True)]
    inner, calls = engine.runner.model.logits, 0

    def logits(hidden: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        found: torch.Tensor = inner(hidden)
        if calls == 3:
            row = engine.runner._sampled.tolist().index(engine.runner.batch.row_of[seqs[1].id])
            found[row, 40 if values == [NAN] else slice(None)] = values[0]
        return found

    engine.runner.model.logits = logits
    engine.run()
    tokens, error = end(engine, seqs[1])
    assert tokens == wanted[1][:2]
    assert error == (NOT_A_NUMBER if values == [NAN] else NO_TOKEN)
    for place in (0, 2):
        assert end(engine, seqs[place]) == (wanted[place], None)
    engine.check_idle()


@pytest.mark.parametrize("task", ["embed", "token_embed"])
def test_a_vector_ends_its_own_text(task: Any, checkpoints: dict[str, Path]) -> None:
    params = PoolParams(task, activate=False)
    engine = InProcessEngine(checkpoints["llama"], convert="embed")
    wanted = engine.pool(PROMPTS, params)
    inner = engine.runner.heads

    def heads(pooled: torch.Tensor, params: PoolParams) -> torch.Tensor:
        found: torch.Tensor = inner(pooled, params)
        found[len(PROMPTS[0]) if task == "token_embed" else 1, 2] = NAN
        return found

    engine.runner.heads = heads
    seqs = [engine.add_pooled(p, params) for p in PROMPTS]
    engine.run()
    assert end(engine, seqs[1])[1] == NOT_FINITE
    for place in (0, 2):
        vectors = engine.events[seqs[place].id][-1].vectors
        assert vectors.data == wanted[place].numpy().tobytes()
    engine.check_idle()
