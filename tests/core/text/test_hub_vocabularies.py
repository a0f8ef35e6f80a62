"""Which vocabulary files come from the Hub: none beside a tokenizer.json, else all that one can be made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.checkpoints.tokenizer_files import tekken
from support.serving.fake_hub import COMMITS, FakeHub, serve_hub
from support.serving.programs import python

VOCABULARY = {"tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "tekken.json"}
ALWAYS = {"config.json", "tokenizer_config.json", "added_tokens.json", "model.safetensors", "chat_template.jinja"}
NEVER = {"tokenization_own.py", "pytorch_model.bin", "consolidated.safetensors", "original/tokenizer.model"}


def repository(folder: Path, *, tokenizer_json: bool) -> Path:
    for name in VOCABULARY | ALWAYS | NEVER | ({"tokenizer.json"} if tokenizer_json else set()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


def locate(hub: FakeHub, download_dir: Path, **env: str) -> Path:
    """In a process of its own: the Hub's client reads its environment when it is imported."""
    code = f"""
    from frameworkctl.checkpoints.hub import locate
    print(locate("org/tiny", {{}}, download_dir={str(download_dir)!r}))
    """
    environment = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", **env}
    return Path(python(code, env=environment).stdout.strip())


def files(folder: Path) -> set[str]:
    return {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()}


@pytest.mark.parametrize("tokenizer_json", [True, False], ids=["with", "without"])
def test_only_where_they_are_needed(tmp_path: Path, tokenizer_json: bool) -> None:
    repo = repository(tmp_path / "repo", tokenizer_json=tokenizer_json)
    with serve_hub(FakeHub({"org/tiny": {"main": repo}})) as hub:
        folder = locate(hub, tmp_path / "cache")
        assert folder.name == COMMITS["main"]
        assert files(folder) == ALWAYS | ({"tokenizer.json"} if tokenizer_json else VOCABULARY)
        assert locate(hub, tmp_path / "cache", HF_HUB_OFFLINE="1") == folder


def test_a_downloaded_tekken_is_served(tmp_path: Path) -> None:
    """Files of a Hub cache are links; the converter sees through them."""
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "config.json").write_text(json.dumps({"model_type": "mistral"}))
    (repo / "tekken.json").write_text(tekken())
    with serve_hub(FakeHub({"org/tiny": {"main": repo}})) as hub:
        folder = locate(hub, tmp_path / "cache")
    assert (folder / "tekken.json").is_symlink()
    code = f"""
    from pathlib import Path
    from frameworkctl.text.tokenizer import load_tokenizer
    tokenizer = load_tokenizer(Path({str(folder)!r}), {{}}, "mistral")
    print(tokenizer.decode(tokenizer.encode("hello world")))
    """
    assert python(code, env={"FRAMEWORKCTL_CACHE": str(tmp_path / "own")}).stdout.strip() == "hello world"
