"""Architectures without native code against transformers, and those that the fallback has to refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from frameworkctl.checkpoints.json_files import read_checkpoint
from frameworkctl.interfaces import ConfigError
from frameworkctl.params import SamplingParams
from frameworkctl.plugins import PluginHost, discover, select
from frameworkctl.plugins.architectures import choose
from frameworkctl.testing import MODES, InProcessEngine, Parity
from support.checkpoints.generic import RIGHT, WRONG, make_generic
from support.serving.watch import watched

IMPLS = ("auto", "native", "transformers")
ONE = SamplingParams(max_tokens=1, temperature=0.0)
DEFAULT_MODES = ("batch", "preemption")  # which computes prompts in chunks, too
CASES = [
    pytest.param(name, mode, id=f"{name}-{mode}", marks=() if mode in DEFAULT_MODES else pytest.mark.slow)
    for name in RIGHT
    for mode in MODES
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("generic")
    return {name: make_generic(name, root / name) for name in (*RIGHT, *WRONG)}


def built_in() -> PluginHost:
    host = PluginHost.from_selection(select(discover(), []))
    host.records = [r for r in host.records if r.builtin]
    return host


@pytest.mark.parametrize("name", RIGHT)
def test_no_native_code_runs_it(name: str, folders: dict[str, Path]) -> None:
    """So that ``auto`` takes the fallback."""
    choice = choose(built_in(), read_checkpoint(folders[name]))
    assert not choice.native
    assert choice.name == "fallback.transformers"


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_parity(name: str, mode: str, folders: dict[str, Path]) -> None:
    Parity(folders[name], mode).check(model_impl="transformers")


@pytest.mark.parametrize("name", RIGHT)
def test_forward_never_waits_for_values(name: str, folders: dict[str, Path]) -> None:
    """Of these twelve, which is more than is promised: transformers' code may wait."""
    engine = InProcessEngine(folders[name], max_num_batched_tokens=48)
    watched(engine)
    engine.generate([list(range(7, 67)), [9, 8, 7]], SamplingParams(max_tokens=4, temperature=0.0, ignore_eos=True))


@pytest.mark.parametrize("mode", [pytest.param(m, marks=() if m == "batch" else pytest.mark.slow) for m in MODES])
@pytest.mark.parametrize("family", ["llama", "gemma2", "mistral"])
def test_it_can_be_forced_where_there_is_native_code(family: str, mode: str, checkpoints: dict[str, Path]) -> None:
    """Softcaps, windows and scales travel as arguments."""
    Parity(checkpoints[family], mode).check(model_impl="transformers")
    if mode == "batch":
        names = [type(InProcessEngine(checkpoints[family], model_impl=i).runner.model).__name__ for i in IMPLS]
        assert names[0] == names[1] != names[2] == "TransformersModel"


@pytest.mark.parametrize("name", WRONG)
def test_refused_with_the_reason_or_right(name: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if config.json has not given it away already; what a newer transformers has mended must be right."""
    monkeypatch.setattr("frameworkctl_models.generic.config.STATEFUL", frozenset())
    reason = None
    try:
        InProcessEngine(folders[name], model_impl="transformers")
    except ConfigError as e:
        reason = str(e)
    if reason is None:
        Parity(folders[name], "batch").check(model_impl="transformers")
        return
    assert WRONG[name][1] in reason
    assert "\n" not in reason


def test_attention_that_is_not_transformers_own_is_refused(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever transformers knows: here a module that computes its attention itself is made."""
    from transformers.models.opt.modeling_opt import OPTAttention

    def forward(self: Any, hidden_states: torch.Tensor, **_: Any) -> tuple[torch.Tensor, None]:
        return self.out_proj(self.v_proj(hidden_states).cumsum(1)), None

    monkeypatch.setattr(OPTAttention, "forward", forward)
    with pytest.raises(ConfigError, match="does not use transformers' attention interface"):
        InProcessEngine(folders["opt"], model_impl="transformers")


def test_missing_and_unexpected_tensors_are_named(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folders["jais2"] / "model.safetensors")
    tensors["stray"] = tensors.pop("model.layers.1.mlp.up_proj.weight")
    (tmp_path / "config.json").write_bytes((folders["jais2"] / "config.json").read_bytes())
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"1 tensors are missing.*model\.layers\.1\.mlp\.up_proj\.weight"):
        InProcessEngine(tmp_path)


def test_bfloat16(folders: dict[str, Path]) -> None:
    """The comparison at load has room for rounding; logits stay near those of float32."""
    rows = []
    for dtype in ("bfloat16", "float32"):
        engine = InProcessEngine(folders["glm4_moe"], dtype=dtype)
        engine.record_logits = True
        engine.generate([list(range(7, 40))], ONE)
        rows.append(engine.logits[1][0])
    assert torch.nn.functional.cosine_similarity(*rows, dim=0) > 0.98


FAULTS = {
    "positions are not heeded": ("run", lambda run, ids, positions: run(ids, torch.arange(len(ids)))),
    "tokens of two sequences touch": ("run", lambda run, ids, positions: run(ids, positions).roll(1, 0) * 0.3),
    "a factor of the head is lost": ("logits", lambda logits, hidden: logits(hidden) * 1.1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_model_that_computes_otherwise_is_not_run(
    fault: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from frameworkctl_models.generic.model import TransformersModel

    name, change = FAULTS[fault]
    original = getattr(TransformersModel, name)
    monkeypatch.setattr(TransformersModel, name, lambda self, *args: change(original.__get__(self), *args))
    with pytest.raises(ConfigError, match="gives other logits in a batch than transformers gives each sequence alone"):
        InProcessEngine(folders["gpt2"])


def test_a_window_that_only_a_mask_would_apply_is_refused() -> None:
    from frameworkctl_models.generic.probe import check_windows
    from transformers import LlamaConfig, MistralConfig

    check_windows(LlamaConfig(), [None, None])
    check_windows(MistralConfig(sliding_window=8), [8, 8])
    check_windows(MistralConfig(sliding_window=8, max_position_embeddings=8), [None, None])
    with pytest.raises(ConfigError, match="layer 0 should see a window of 8 tokens, its module asks for None"):
        check_windows(MistralConfig(sliding_window=8), [None, None])
    mixed = MistralConfig(sliding_window=8)
    mixed.layer_types = ["full_attention", "sliding_attention"]
    with pytest.raises(ConfigError, match="layer 1"):
        check_windows(mixed, [None, None])
