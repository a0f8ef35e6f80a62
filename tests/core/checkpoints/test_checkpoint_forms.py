"""Checkpoints that cannot be served are refused with the reason: other quantisations, adapters, pickles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.config import ModelOptions, NamedModel, Options, ServerOptions
from frameworkctl.errors import ConfigError
from frameworkctl.execution.weights.loading import weight_files
from frameworkctl.interfaces import ModelSpec
from frameworkctl.interfaces.quantization import block_to_expand
from frameworkctl.plugins import PluginHost
from frameworkctl.server.models.loading import load_model
from support.checkpoints.tiny import make_checkpoint
from support.plugged.plugin_host import make_host


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return make_host()


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint("llama", tmp_path_factory.mktemp("forms"))


def variant(llama: Path, folder: Path, **config: Any) -> Path:
    """The checkpoint with a changed config.json."""
    for file in llama.iterdir():
        (folder / file.name).symlink_to(file)
    changed = {**json.loads((llama / "config.json").read_text()), **config}
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(changed))
    return folder


def serve(folder: Path, host: PluginHost) -> None:
    """What the server does of a model before it asks for an engine."""
    named = NamedModel(source=str(folder), options=ModelOptions())
    load_model(named, Options(server=ServerOptions(), models=[named]), host)


@pytest.mark.parametrize(
    ("quantization", "message"),
    [
        ({"quant_method": "gptq", "bits": 4}, "quantised with quant_method 'gptq', which is not supported"),
        ({"quant_method": "compressed-tensors"}, "quant_method 'compressed-tensors'"),
        ({"quant_method": "mxfp4"}, "quant_method 'mxfp4'"),  # known to gpt-oss, not to Llama
        ({"quant_algo": "NVFP4"}, "quant_method None"),
        ({"quant_method": "fp8", "activation_scheme": "static"}, "weight_block_size None is not supported"),
        ({"quant_method": "fp8", "weight_block_size": [128]}, r"weight_block_size \[128\] is not supported"),
        ({"quant_method": "fp8", "weight_block_size": [128, 0]}, r"weight_block_size \[128, 0\] is not supported"),
    ],
    ids=str,
)
def test_other_quantisations(
    llama: Path, host: PluginHost, tmp_path: Path, quantization: dict[str, Any], message: str
) -> None:
    folder = variant(llama, tmp_path, quantization_config=quantization)
    with pytest.raises(ConfigError, match=message):
        serve(folder, host)


def test_fp8_blocks_are_served(llama: Path, host: PluginHost, tmp_path: Path) -> None:
    fp8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    serve(variant(llama, tmp_path, quantization_config=fp8), host)


def test_a_model_may_read_a_quantisation_itself() -> None:
    """Then core leaves its tensors alone, FP8 too; wherever config.json says it."""
    spec = ModelSpec(
        architectures=("X",),
        implementation="x:X",
        describe=lambda checkpoint: pytest.fail("not asked"),
        quant_methods=frozenset({"mxfp4"}),
    )
    fp8 = {"quant_method": "fp8", "weight_block_size": [128, 64]}
    assert block_to_expand({"quantization_config": {"quant_method": "mxfp4"}}, spec) is None
    assert block_to_expand({"text_config": {"quantization_config": fp8}}, spec) == (128, 64)
    assert block_to_expand({"quantization_config": None}, spec) is None
    with pytest.raises(ConfigError, match="only fp8, mxfp4"):
        block_to_expand({"text_config": {"quantization_config": {"quant_method": "awq"}}}, spec)


ADAPTER = {"peft_type": "LORA", "base_model_name_or_path": "org/base", "r": 8}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(ADAPTER), "is a LORA adapter, not a model .* serve its base model 'org/base'"),
        ("{}", "is an adapter, not a model"),
        ("not json", "is an adapter, not a model"),
    ],
)
@pytest.mark.parametrize("config", [False, True], ids=["alone", "with a config"])
def test_adapters(host: PluginHost, tmp_path: Path, text: str, message: str, config: bool) -> None:
    (tmp_path / "adapter_config.json").write_text(text)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    if config:
        (tmp_path / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}))
    with pytest.raises(ConfigError, match=message):
        serve(tmp_path, host)


def test_an_adapter_beside_a_model_is_left_alone(
    llama: Path, host: PluginHost, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = variant(llama, tmp_path)
    (folder / "adapter_config.json").write_text(json.dumps(ADAPTER))
    (folder / "adapter_model.safetensors").write_bytes(b"")
    serve(folder, host)
    assert "holds an adapter beside the model: it is not applied" in caplog.text
    assert [f.name for f in weight_files(folder)] == ["model.safetensors"]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.00.pth", "model.pt"])
def test_pickles(llama: Path, tmp_path: Path, name: str) -> None:
    folder = variant(llama, tmp_path)
    (folder / "model.safetensors").rename(tmp_path / name)
    with pytest.raises(ConfigError, match=rf"has only pickled weights \({name}\), which can run code: convert"):
        weight_files(folder)


def test_weights_that_lie_there_twice_are_read_once(tmp_path: Path) -> None:
    for name in ("model.safetensors", "consolidated.safetensors", "adapter_model.safetensors"):
        (tmp_path / name).write_bytes(b"")
    assert [f.name for f in weight_files(tmp_path)] == ["model.safetensors"]
    (tmp_path / "model.safetensors").rename(tmp_path / "weights.safetensors")
    (tmp_path / "consolidated.safetensors").unlink()
    assert [f.name for f in weight_files(tmp_path)] == ["weights.safetensors"]
