"""Which plugin runs a checkpoint: native code, a stranger's fallback, ours; and the reasons when nothing does."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.checkpoints.json_files import read_checkpoint
from frameworkctl.interfaces import ConfigError
from frameworkctl.plugins import PluginHost, discover, select
from frameworkctl.plugins.architectures import Choice, choose
from support.plugged import fake_dists
from support.plugged.fake_dists import FakeDists, installed

GPT2 = {
    "architectures": ["GPT2LMHeadModel"],
    "model_type": "gpt2",
    "vocab_size": 100,
    "n_embd": 8,
    "n_layer": 2,
    "n_positions": 64,
    "eos_token_id": 99,
}
LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 100,
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}
PICKY = """
from frameworkctl.interfaces import ConfigError, ModelInfo, ModelSpec, hookimpl


def describe(checkpoint):
    if checkpoint.config["vocab_size"] != 100:
        raise ConfigError("only a vocabulary of 100")
    return ModelInfo(
        architecture="any", tasks=frozenset({"generate"}), vocab_size=100, hidden_size=1, num_layers=1, max_model_len=1
    )


@hookimpl
def register_models(register):
    register(ModelSpec(fallback="picky", implementation="none:None", describe=describe))
"""


def chosen(folder: Path, config: dict[str, Any], impl: str = "auto", words: tuple[str, ...] = ()) -> Choice:
    (folder / "config.json").write_text(json.dumps(config))
    host = PluginHost.from_selection(select(discover(), words))
    if words:
        host.load_eager()
    return choose(host, read_checkpoint(folder), impl)


def test_native_code_comes_first(tmp_path: Path) -> None:
    choice = chosen(tmp_path, LLAMA)
    assert choice.native
    assert choice.name == "LlamaForCausalLM"


def test_without_native_code_ours_takes_it(tmp_path: Path) -> None:
    choice = chosen(tmp_path, GPT2)
    assert (choice.name, choice.native) == ("fallback.transformers", False)
    info = choice.info
    assert (info.architecture, info.vocab_size, info.hidden_size, info.num_layers) == ("GPT2LMHeadModel", 100, 8, 2)
    assert (info.max_model_len, info.eos_token_ids, info.dtype) == (64, (99,), "float32")
    with pytest.raises(ConfigError, match=r"no plugin runs the architectures \['GPT2LMHeadModel'\]"):
        chosen(tmp_path, GPT2, "native")


def test_it_can_be_forced(tmp_path: Path) -> None:
    assert chosen(tmp_path, LLAMA, "transformers").name == "fallback.transformers"
    with pytest.raises(ConfigError, match="--model-impl: 'vllm' is not one of auto, native, transformers"):
        chosen(tmp_path, LLAMA, "vllm")


@pytest.mark.parametrize("packaged", [True, False], ids=["package", "file"])
def test_a_strangers_fallback_is_asked_before_ours(
    packaged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dists, words = FakeDists(tmp_path / "site"), ()
    if packaged:
        dists.add("acme", {"models": {"fallback.picky": "acme.m"}}, {"acme.m": PICKY})
    else:
        (tmp_path / "picky.py").write_text(PICKY)
        words = (str(tmp_path / "picky.py"),)
    with installed(dists.root, monkeypatch):
        assert chosen(tmp_path, GPT2, words=words).name == "fallback.picky"
        assert chosen(tmp_path, LLAMA, words=words).name == "LlamaForCausalLM"
        assert chosen(tmp_path, LLAMA, "picky", words).name == "fallback.picky"
        assert chosen(tmp_path, GPT2, "transformers", words).name == "fallback.transformers"
        assert chosen(tmp_path, GPT2 | {"vocab_size": 5}, words=words).name == "fallback.transformers"
        with pytest.raises(
            ConfigError, match=r"\(picky: only a vocabulary of 100; transformers: config.json lacks a co"
        ):
            chosen(tmp_path, GPT2 | {"vocab_size": 5, "n_positions": None}, words=words)


def test_what_native_code_refuses_goes_to_the_fallback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    strange = LLAMA | {"rope_parameters": {"rope_type": "spiral", "rope_theta": 10000.0}}
    with caplog.at_level(logging.WARNING, "frameworkctl.plugins"):
        assert chosen(tmp_path, strange).name == "fallback.transformers"
    assert "is run by transformers instead (LlamaForCausalLM: " in caplog.text
    with pytest.raises(ConfigError, match=r"LlamaForCausalLM: .*'spiral'"):
        chosen(tmp_path, strange, "native")


REFUSED = {
    "no model_type": ({"model_type": None}, "config.json lacks model_type"),
    "encoder-decoder": ({"is_encoder_decoder": True}, "is an encoder-decoder; only decoders are run"),
    "another head": ({"architectures": ["GPT2ForSequenceClassification"]}, "is not a text decoder"),
    "state by type": ({"model_type": "falcon_mamba"}, "falcon_mamba has recurrent or convolution layers"),
    "state by layer": ({"layer_types": ["conv", "full_attention"]}, "has layers of type conv"),
    "no length": ({"n_positions": None}, "config.json lacks a context length (max_position_embeddings or n_positions"),
    "no vocabulary": ({"vocab_size": None}, "config.json: vocab_size: "),
    "quantised": ({"quantization_config": {"quant_method": "gptq"}}, "quant_method 'gptq'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_config_json_shows_to_be_impossible(case: str, tmp_path: Path) -> None:
    changes, message = REFUSED[case]
    with pytest.raises(ConfigError) as raised:
        chosen(tmp_path, GPT2 | changes)
    assert message in str(raised.value)


LONG = {"rope_type": "longrope", "original_max_position_embeddings": 16}


@pytest.mark.parametrize(
    ("changes", "length"),
    [
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}}, 64),
        ({"rope_parameters": {"rope_type": "dynamic", "factor": 4.0}}, 64),
        ({"rope_parameters": LONG}, 16),
        ({"rope_parameters": {"full_attention": LONG, "sliding_attention": {"rope_type": "default"}}}, 16),
        ({"rope_scaling": {"type": "longrope"}, "original_max_position_embeddings": 32}, 32),
    ],
)
def test_length_up_to_which_a_mixed_batch_is_right(changes: dict[str, Any], length: int, tmp_path: Path) -> None:
    """transformers chooses some rope types' factors by the longest sequence of a forward."""
    assert chosen(tmp_path, LLAMA | changes, "transformers").info.max_model_len == length


def test_a_taken_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dists = FakeDists(tmp_path / "site")
    source = PICKY.replace('"picky"', '"transformers"')
    dists.add("acme", {"models": {"fallback.transformers": "acme.m"}}, {"acme.m": source})
    with installed(dists.root, monkeypatch):
        host = PluginHost.from_selection(select(discover(), ["acme"]))
        with pytest.raises(ConfigError, match=r"the model 'fallback\.transformers' of acme"):
            host.load_everything()


def test_the_source_of_a_model_still_needs_no_fallback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's architecture, without the new field."""
    dists = FakeDists(tmp_path / "site")
    dists.add("acme", {"models": {"AcmeForCausalLM": "acme.m"}}, {"acme.m": fake_dists.model("AcmeForCausalLM")})
    with installed(dists.root, monkeypatch):
        assert chosen(tmp_path, {"architectures": ["AcmeForCausalLM"]}).name == "AcmeForCausalLM"
