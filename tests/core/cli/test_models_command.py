"""``frameworkctl models``: the list says what plugins registered, the check notices a model that computes otherwise."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.cli import main
from frameworkctl.errors import ConfigError
from frameworkctl.testing.check import Request, check
from frameworkctl_models.encoder.model import Encoder
from support.checkpoints.encoders import make_encoder
from support.checkpoints.generic import make_generic
from support.plugged import fake_dists
from support.plugged.fake_dists import FakeDists, installed
from support.serving.programs import frameworkctl, python

ROOT = Path(__file__).parents[3]
SCALED = """
from frameworkctl.interfaces import ModelSpec, hookimpl
from frameworkctl_models.decoder.plugin import describe


@hookimpl
def register_models(register):
    register(
        ModelSpec(architectures=("LlamaForCausalLM",), implementation=__name__ + ":Scaled", describe=describe),
        override=True,
    )


def __getattr__(name):
    if name != "Scaled":
        raise AttributeError(name)
    from frameworkctl_models.decoder.model import Decoder

    class Scaled(Decoder):
        def logits(self, hidden):
            return super().logits(hidden) * 1.01

    return Scaled
"""


def listed(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    assert main(["models", "list", "--json", *args]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_list_has_what_is_declared(capsys: pytest.CaptureFixture[str]) -> None:
    entries = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["frameworkctl.models"]
    found = listed(capsys)
    ours = {r["name"]: r["plugin"] for r in found["native"] if r["distribution"] == "frameworkctl"}
    assert ours == {name: value for name, value in entries.items() if not name.startswith("fallback.")}
    assert [r["name"] for r in found["fallbacks"] if r["distribution"] == "frameworkctl"] == ["transformers"]


def test_list_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    native, _, fallbacks = capsys.readouterr().out.partition("--model-impl NAME:")
    assert any(line.split()[0] == "LlamaForCausalLM" for line in native.splitlines() if line.strip())
    assert fallbacks.split()[0] == "transformers"


def test_list_shows_a_stranger_and_who_replaced_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dists = FakeDists(tmp_path / "site")
    dists.add("acme", {"models": {"AcmeForCausalLM": "acme.m"}}, {"acme.m": fake_dists.model("AcmeForCausalLM")})
    (tmp_path / "scaled.py").write_text(SCALED)
    with installed(dists.root, monkeypatch):
        found = listed(capsys, "--plugins", str(tmp_path / "scaled.py"))
    rows = {r["name"]: r for r in found["native"]}
    assert rows["AcmeForCausalLM"]["distribution"] == "acme"
    assert rows["LlamaForCausalLM"]["plugin"] == str(tmp_path / "scaled.py")


def test_list_loads_neither_torch_nor_transformers() -> None:
    code = """
    import sys
    from frameworkctl.cli import main
    assert main(["models", "list"]) == 0
    assert not {"torch", "transformers"} & set(sys.modules)
    """
    assert "LlamaForCausalLM" in python(code).stdout


def test_check_as_a_program(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    run = frameworkctl("models", "check", str(checkpoints["mistral"]), "--dtype", "float32")
    assert run.status == 0, run.err
    lines = dict(line.split(maxsplit=1) for line in run.out.splitlines())
    assert lines["architecture"] == "MistralForCausalLM"
    assert lines["runs"].startswith("native, by frameworkctl")
    config = json.loads((checkpoints["mistral"] / "config.json").read_text())
    layers, values = config["num_hidden_layers"], 2 * config["num_key_value_heads"] * config["head_dim"]
    assert f"{layers * values * 4:,} in float32, {layers * values * 2:,} in bfloat16" in lines["KV"]
    assert f"; {layers} layers keep only the last {config['sliding_window']} tokens" in lines["KV"]
    assert lines["transformers"].startswith("ok: largest logit difference ")
    assert lines["transformers"].endswith("16 of 16 greedy tokens agree")
    (tmp_path / "config.json").write_text('{"architectures": ["MambaForCausalLM"], "model_type": "mamba"}')
    run = frameworkctl("models", "check", str(tmp_path))
    assert run.status == 1
    assert "mamba has recurrent or convolution layers" in run.err


def test_check_through_the_fallback(tmp_path: Path) -> None:
    report = check(Request(str(make_generic("gpt2", tmp_path)), dtype="float32"))
    assert report.ok
    assert report.implementation == "through the fallback transformers"
    assert "frameworkctl_models.generic.plugin" in report.plugin
    assert report.tasks == ["generate"]
    assert report.max_model_len == 512
    assert report.parameters == 320 * 64 + 512 * 64 + 3 * (12 * 64 * 64 + 13 * 64) + 2 * 64
    assert report.comparison is not None
    assert report.comparison.agreeing == 16
    assert report.comparison.difference < 1e-3


def test_check_notices_other_logits(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "scaled.py").write_text(SCALED)
    report = check(Request(str(checkpoints["llama"]), dtype="float32", plugins=[str(tmp_path / "scaled.py")]))
    assert not report.ok
    assert report.comparison is not None
    assert report.comparison.agreeing == 16  # a factor changes no order
    assert report.comparison.difference > 5e-3 * report.comparison.largest


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_check_of_a_model_that_pools(factor: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The states of a text are compared, and others are noticed."""
    forward = Encoder.forward
    monkeypatch.setattr(Encoder, "forward", lambda self, batch: forward(self, batch) * factor)
    make_encoder("Bert", "ForSequenceClassification", tmp_path)
    report = check(Request(str(tmp_path), dtype="float32"))
    assert report.ok == (factor == 1.0)
    assert report.tasks == ["classify", "token_classify"]
    assert report.comparison is not None
    assert (report.comparison.states, report.comparison.tokens) == (True, 24)
    assert (report.comparison.agreeing == 24) == (factor == 1.0)


def test_check_without_transformers_is_no_pass(checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    def unknown(*args: Any, **kwargs: Any) -> None:
        raise ValueError("no such model type\nand more")

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", unknown)
    report = check(Request(str(checkpoints["llama"])))
    assert not report.ok
    assert report.comparison is not None
    assert report.comparison.reason == "transformers cannot run it: ValueError: no such model type"


def test_check_forced_to_be_native(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no plugin runs the architectures"):
        check(Request(str(make_generic("gpt2", tmp_path)), model_impl="native"))


def test_an_unknown_implementation_is_answered_with_those_there_are(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="--model-impl: 'vllm' is not one of auto, native, transformers"):
        check(Request(str(checkpoints["llama"]), model_impl="vllm"))
