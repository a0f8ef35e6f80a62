"""Where chat templates and the tokens they name are read from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.errors import ConfigError
from frameworkctl.text.templates.chat_template import load_chat_template, special_tokens_of
from tokenizers import Tokenizer, models

transformers = pytest.importorskip("transformers")

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


def test_special_tokens() -> None:
    config = {
        "add_bos_token": True,
        "bos_token": {"__type": "AddedToken", "content": "<s>", "lstrip": False},
        "eos_token": "</s>",
        "pad_token": None,
        "image_token": "<image>",
        "additional_special_tokens": ["<a>", "<b>"],
        "extra_special_tokens": {"audio_token": "<audio>", "boi": {"content": "<boi>"}},
        "model_max_length": 5,
    }
    assert special_tokens_of(config) == {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "image_token": "<image>",
        "audio_token": "<audio>",
        "boi": "<boi>",
    }
    assert special_tokens_of({}) == {}


def test_special_tokens_are_those_of_transformers(tmp_path: Path, goldens: Any) -> None:
    config = {**TOKENS, "image_token": "<i>", "extra_special_tokens": {"boi_token": "<boi>"}, "add_bos_token": False}
    Tokenizer(models.WordLevel({"<pad>": 0}, unk_token="<pad>")).save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    for folder in (tmp_path, *(path for path in goldens.zoo.iterdir() if (path / "chat_template.jinja").exists())):
        read = json.loads((folder / "tokenizer_config.json").read_text())
        tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
        assert special_tokens_of(read) == tokenizer.special_tokens_map, folder.name


def test_where_the_template_comes_from(tmp_path: Path) -> None:
    several = [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}]
    assert load_chat_template(tmp_path, {}, override=None) is None
    assert load_chat_template(tmp_path, {"chat_template": None}, override=None) is None
    assert load_chat_template(tmp_path, {"chat_template": "C"}, override=None, has_tools=True) == "C"
    assert load_chat_template(tmp_path, {"chat_template": several}, override=None) == "D"
    assert load_chat_template(tmp_path, {"chat_template": several}, override=None, has_tools=True) == "T"
    assert load_chat_template(tmp_path, {"chat_template": several[1:]}, override=None) is None
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": "J é"}), encoding="utf-8")
    assert load_chat_template(tmp_path, {"chat_template": "C"}, override=None) == "J é"
    (tmp_path / "chat_template.jinja").write_text("F é\n", encoding="utf-8")
    assert load_chat_template(tmp_path, {"chat_template": several}, override=None, has_tools=True) == "F é\n"
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "tool_use.jinja").write_text("A")
    assert load_chat_template(tmp_path, {}, override=None, has_tools=True) == "A"
    assert load_chat_template(tmp_path, {}, override=None) == "F é\n"


def test_overrides(tmp_path: Path) -> None:
    (path := tmp_path / "mine.jinja").write_text("mine\\n")
    (tmp_path / "chat_template.jinja").write_text("folder")
    assert load_chat_template(tmp_path, {}, override=str(path)) == "mine\\n"
    assert (
        load_chat_template(tmp_path, {}, override="{{ messages }}\\né漢\\t\\u00e9\\")
        == "{{ messages }}\\né漢\\t\\u00e9\\"
    )
    assert load_chat_template(tmp_path, {}, override="{{ messages }}\\né漢🎉\\t\\u00e9") == "{{ messages }}\né漢🎉\té"
    assert load_chat_template(tmp_path, {}, override="{{ 'x' }}" * 5000) == "{{ 'x' }}" * 5000
    for missing in ("no/such/file.jinja", str(tmp_path), "", "{ \0"):
        with pytest.raises(ConfigError, match="neither a file nor Jinja"):
            load_chat_template(tmp_path, {}, override=missing)


def test_unreadable_files_are_config_errors(tmp_path: Path) -> None:
    (tmp_path / "chat_template.json").write_text("{")
    with pytest.raises(ConfigError, match=r"chat_template\.json"):
        load_chat_template(tmp_path, {}, override=None)
    (bad := tmp_path / "bad.jinja").write_bytes(b"\xff{}")
    with pytest.raises(ConfigError, match=r"bad\.jinja"):
        load_chat_template(tmp_path, {}, override=str(bad))
