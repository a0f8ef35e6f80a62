"""Options of LLM: those of the command line, by their names; and importing the package costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from frameworkctl.errors import ConfigError
from frameworkctl.offline.options import load_plugins, make_options
from support.serving.programs import python


def test_values_reach_the_model() -> None:
    given: dict[str, Any] = {"dtype": torch.float32, "max_model_len": "64", "seed": 3, "log_level": "info"}
    options = make_options("folder", given, load_plugins(None))
    (model,) = options.models
    assert model.source == "folder"
    assert (model.options.dtype, model.options.max_model_len, model.options.seed) == ("float32", 64, 3)
    assert model.options.max_num_queued_reqs == -1  # a list of prompts is no overload
    assert options.server.log_level == "info"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_modellen": 3}, "did you mean 'max_model_len'"),
        ({"port": 80}, "'port'"),
        ({"dtype": "int3"}, "dtype"),
        ({"max_num_seqs": 0}, "max_num_seqs"),
        ({"tensor_parallel_size": 2}, "tensor_parallel_size"),
    ],
)
def test_mistakes_are_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_options("folder", given, load_plugins(None))


def test_options_of_plugins(tmp_path: Path) -> None:
    plugin = tmp_path / "colour.py"
    plugin.write_text(
        "from frameworkctl.interfaces import OptionSpec, hookimpl\n"
        "@hookimpl\n"
        "def register_options(register):\n"
        "    register(OptionSpec(name='colour', type=str, default='red', help='what it says'))\n"
    )
    host = load_plugins([str(plugin)])
    assert make_options("folder", {}, host).plugin_options["colour"] == "red"
    assert make_options("folder", {"colour": "blue"}, host).plugin_options["colour"] == "blue"
    with pytest.raises(ConfigError, match="colour"):
        make_options("folder", {"colour": 3}, host)


def test_importing_the_package_imports_next_to_nothing() -> None:
    code = """
    import sys
    import frameworkctl
    assert "LLM" in dir(frameworkctl)
    before = {m.partition(".")[0] for m in sys.modules}
    frameworkctl.LLM, frameworkctl.SamplingParams, frameworkctl.RequestOutput
    assert not hasattr(frameworkctl, "nonsense")
    print(*before & {"msgspec", "asyncio", "torch", "transformers", "litestar", "pluggy", "numpy"})
    print(*{"torch", "transformers", "tqdm"} & set(sys.modules))
    """
    assert python(code).stdout.split() == []
