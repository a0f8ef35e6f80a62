"""Models whose numbers leave float16's range: refused when asked for, avoided by ``--dtype auto``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.config import ModelOptions, NamedModel, Options, ServerOptions
from frameworkctl.errors import ConfigError
from frameworkctl.server.models.loading import engine_config, load_model
from support.plugged.plugin_host import make_host


def load(folder: Path, **options: Any) -> str:
    """The type that the engine is told the checkpoint has."""
    host = make_host()
    named = NamedModel(source=str(folder), options=ModelOptions(**options))
    all_of_it = Options(server=ServerOptions(), models=[named])
    return engine_config(load_model(named, all_of_it, host), all_of_it, 1).checkpoint_dtype


def says_float16(folder: Path, to: Path) -> Path:
    """The same files, of which config.json names float16."""
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    config = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps({**config, "dtype": "float16"}))
    return to


@pytest.mark.parametrize(("family", "told"), [("gemma2", "bfloat16"), ("llama", "float16")])
def test_auto(family: str, told: str, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    assert load(says_float16(checkpoints[family], tmp_path)) == told


@pytest.mark.parametrize("name", ["float16", "half"])
def test_asked_for(name: str, checkpoints: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=f"--dtype {name}: the numbers of Gemma2ForCausalLM leave its range"):
        load(checkpoints["gemma2"], dtype=name)
    assert load(checkpoints["llama"], dtype=name) == "float32"
