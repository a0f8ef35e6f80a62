"""No code of a checkpoint is ever run: not what its json files name, not what lies where Python might look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.errors import ConfigError
from frameworkctl.text.tokenizer import load_tokenizer
from support.checkpoints.tiny import build_tokenizer, make_checkpoint
from support.serving.programs import frameworkctl
from support.serving.server import start_server

pytestmark = pytest.mark.e2e

NAMED = ("configuration_own", "modeling_own", "tokenization_own", "processing_own", "image_processing_own")
SHADOWS = ("torch", "transformers", "tokenizers", "sentencepiece", "json", "logging", "sitecustomize", "frameworkctl")


class Hostile:
    """A checkpoint folder full of code; ``ran`` are the files of it that were run."""

    def __init__(self, root: Path, **config: Any) -> None:
        self.folder, self.marker = make_checkpoint("llama", root / "checkpoint"), root / "marker"
        self.cache = root / "cache"
        for name in (*NAMED, *SHADOWS, "custom_generate/generate", "__init__"):
            file = self.folder / f"{name}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"with open({str(self.marker)!r}, 'a') as f:\n    f.write(__file__ + '\\n')\n")
        self.change(
            "config.json",
            **config,
            auto_map={
                "AutoConfig": "configuration_own.OwnConfig",
                "AutoModel": "modeling_own.OwnModel",
                "AutoModelForCausalLM": "modeling_own.OwnForCausalLM",
            },
        )
        self.change(
            "tokenizer_config.json",
            tokenizer_class="GPT2Tokenizer",
            auto_map={"AutoTokenizer": ["tokenization_own.OwnTokenizer", "tokenization_own.OwnTokenizerFast"]},
        )
        for name in ("processor_config.json", "preprocessor_config.json"):
            self.change(
                name,
                auto_map={
                    "AutoProcessor": "processing_own.OwnProcessor",
                    "AutoImageProcessor": "image_processing_own.OwnImages",
                },
            )
        # A form that has to be converted, so that the converter has its chance too
        (self.folder / "tokenizer.json").unlink()
        model = json.loads(build_tokenizer().to_str())["model"]
        (self.folder / "vocab.json").write_text(json.dumps(model["vocab"]))
        (self.folder / "merges.txt").write_text(
            "#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in model["merges"])
        )

    def change(self, name: str, **changes: Any) -> None:
        file = self.folder / name
        old = json.loads(file.read_text()) if file.is_file() else {}
        file.write_text(json.dumps({**old, **changes}))

    @property
    def env(self) -> dict[str, str]:
        return {"FRAMEWORKCTL_CACHE": str(self.cache)}

    @property
    def ran(self) -> str:
        return self.marker.read_text() if self.marker.exists() else ""


def test_serving_runs_none_of_it(tmp_path: Path) -> None:
    """Started in the checkpoint's folder, which Python would import from if it were let."""
    hostile = Hostile(tmp_path)
    server = start_server([".", "--dtype", "float32"], env=hostile.env, cwd=hostile.folder)
    try:
        done = server.openai().completions.create(model=".", prompt="the quick", max_tokens=4, temperature=0)
        assert done.usage.completion_tokens == 4
        server.logged(r"making a tokenizer\.json")
    finally:
        assert server.stop() == 0
    assert hostile.ran == ""


@pytest.mark.parametrize(
    "command",
    [["serve", ".", "--port", "0"], pytest.param(["models", "check", "."], marks=pytest.mark.slow)],
    ids=" ".join,
)
def test_an_architecture_that_only_its_code_knows_is_refused(tmp_path: Path, command: list[str]) -> None:
    hostile = Hostile(tmp_path, architectures=["OwnForCausalLM"], model_type="own")
    run = frameworkctl(*command, env=hostile.env, cwd=hostile.folder)
    assert run.status != 0
    assert "model_type 'own'; code that comes with a checkpoint (auto_map) is never run" in run.err
    assert hostile.ran == ""


def test_a_tokenizer_that_is_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = Hostile(tmp_path)
    hostile.change("tokenizer_config.json", tokenizer_class="OwnTokenizer")
    monkeypatch.setenv("FRAMEWORKCTL_CACHE", str(hostile.cache))
    monkeypatch.chdir(hostile.folder)
    with pytest.raises(ConfigError, match="its tokenizer is code in the checkpoint, which is never run"):
        load_tokenizer(Path(), {})
    assert hostile.ran == ""


def test_the_marker_marks(tmp_path: Path) -> None:
    """What is asserted above would be seen."""
    hostile = Hostile(tmp_path)
    exec(compile((hostile.folder / "torch.py").read_text(), "torch.py", "exec"), {"__file__": "torch.py"})
    assert hostile.ran == "torch.py\n"
