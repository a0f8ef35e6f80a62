"""Values of odd types in a checkpoint's json files: served, or refused in a line; the usual suspects by their names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.checkpoints.json_keys import CONFIG, FILES, MODULE
from frameworkctl.config import ModelOptions, NamedModel, Options, ServerOptions
from frameworkctl.errors import ConfigError
from frameworkctl.plugins import PluginHost
from frameworkctl.server.models.loading import engine_config, load_model
from support.checkpoints.pooling_checkpoints import make_classifier, make_embedder
from support.plugged.plugin_host import make_host

ODD = ["words", -3, ["x", 1], None]
POOLING = "1_Pooling/config.json"
KEYS = {**FILES, POOLING: MODULE}


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return make_host()


@pytest.fixture(scope="module")
def folders(checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("keys")
    make_embedder(root / "embedder")
    make_classifier(root / "classifier", 3)
    return {"llama": checkpoints["llama"], "embedder": root / "embedder", "classifier": root / "classifier"}


def load(folder: Path, host: PluginHost) -> None:
    """All that the server does before an engine starts."""
    options = Options(server=ServerOptions(), models=[NamedModel(source=str(folder), options=ModelOptions())])
    engine_config(load_model(options.models[0], options, host), options, 1)


def refusal(folder: Path, host: PluginHost) -> str | None:
    try:
        load(folder, host)
    except ConfigError as e:
        return str(e)
    return None


def copied(folder: Path, to: Path) -> Path:
    """Its files but the weights; the chat template where old checkpoints have it."""
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix != ".safetensors" and file.name != "chat_template.jinja":
            (to / file.relative_to(folder)).parent.mkdir(exist_ok=True)
            (to / file.relative_to(folder)).write_bytes(file.read_bytes())
    return to


def with_odd_values(folder: Path, name: str) -> Iterator[tuple[str, Any, str]]:
    """Key, value and the file with it, for every key that is there or looked for."""
    given = json.loads((folder / name).read_text()) if (folder / name).is_file() else {}
    for key in {**given, **KEYS[name]}:
        for value in ODD:
            yield key, value, json.dumps({**given, key: value})


@pytest.mark.parametrize("model", ["llama", "embedder", "classifier"])
def test_no_value_of_any_key_is_a_traceback(
    model: str, folders: dict[str, Path], host: PluginHost, tmp_path: Path
) -> None:
    folder = copied(folders[model], tmp_path)
    served = 0
    for name in KEYS:
        if name == POOLING and model != "embedder":
            continue
        before = (folder / name).read_bytes() if (folder / name).is_file() else None
        for key, value, text in list(with_odd_values(folder, name)):
            (folder / name).write_text(text)
            said = refusal(folder, host)
            assert said is None or (name in said and "\n" not in said), f"{key} {value!r}: {said}"
            served += said is None
        if before is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(before)
    assert served > 50  # keys that nobody looks at, and null


@pytest.mark.parametrize(
    ("name", "given", "key"),
    [
        ("config.json", {"id2label": ["a", "b"]}, "id2label"),
        ("config.json", {"id2label": {"a": "0"}}, "id2label"),
        ("config.json", {"task_instructions": "query: "}, "task_instructions"),
        ("config.json", {"task_instructions": {"query": ["query: "]}}, "task_instructions"),
        ("config.json", {"vocab_size": None}, "vocab_size"),
        ("config.json", {"hidden_size": -64}, "hidden_size"),
        ("config.json", {"text_config": {"head_dim": "64"}}, "text_config.head_dim"),
        ("config.json", {"text_config": 5}, "text_config"),
        ("config.json", {"architectures": "X"}, "architectures"),
        ("generation_config.json", {"eos_token_id": "</s>"}, "eos_token_id"),
        ("tokenizer_config.json", {"chat_template": [{"name": "default"}]}, "chat_template"),
        ("config_sentence_transformers.json", {"prompts": ["query: "]}, "prompts"),
        ("sentence_bert_config.json", {"max_seq_length": "512"}, "max_seq_length"),
        (POOLING, {"pooling_mode": 1}, "pooling_mode"),
    ],
)
def test_the_file_and_the_key_are_named(
    name: str, given: dict[str, Any], key: str, folders: dict[str, Path], host: PluginHost, tmp_path: Path
) -> None:
    folder = copied(folders["embedder"], tmp_path)
    own = json.loads((folder / name).read_text()) if (folder / name).is_file() else {}
    (folder / name).write_text(json.dumps({**own, **given}))
    with pytest.raises(ConfigError) as error:
        load(folder, host)
    assert str(error.value).startswith(f"{folder / name}: {key}: ")


def test_what_is_common_in_files_is_taken(folders: dict[str, Path], host: PluginHost, tmp_path: Path) -> None:
    folder = copied(folders["llama"], tmp_path)
    config = json.loads((folder / "config.json").read_text())
    usual = {"eos_token_id": [1, 2], "torch_dtype": "float32", "id2label": {"0": "a", "1": "b"}, "rope_scaling": None}
    assert usual.keys() <= CONFIG.keys()
    (folder / "config.json").write_text(json.dumps({**config, **usual}))
    load(folder, host)
