"""Tokenizers without a tokenizer.json: ids and text are transformers' own; converted once; refused with a reason."""

from __future__ import annotations

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.checkpoints import tokenizer_forms
from frameworkctl.checkpoints.json_files import read_checkpoint
from frameworkctl.errors import ConfigError
from frameworkctl.text.detokenizer import Detokenizer
from frameworkctl.text.tokenizer import TextTokenizer, load_tokenizer
from support.checkpoints.tokenizer_files import FORMS, write
from support.serving.fake_hub import FakeHub, serve_hub
from support.serving.programs import python

TEXTS = [
    "",
    " ",
    "Hello world",
    "  the quick  brown\n\tfox ",
    "日本語のテキスト 中文文本",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "🙂👨‍👩‍👧 emoji 🇩🇪",
    "def f(x):\n    return x**2  # ok\r\n",
    "\x00\x01\x07 control \x7f\u200b\ufeff",
    "Grüße É ﬁ ① ﷺ",
    "<0x41> ▁under_score ",
    "<s>hi</s> <|im_start|>user\nhey<|im_end|> <unk> [INST]x[/INST] [CLS] a [SEP] <|endoftext|>",
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRAMEWORKCTL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tokenizers"


def load(folder: Path) -> TextTokenizer:
    """As the server does."""
    checkpoint = read_checkpoint(folder)
    return load_tokenizer(folder, checkpoint.tokenizer_config, checkpoint.config.get("model_type"))


@pytest.mark.parametrize("form", FORMS)
def test_ids_and_text_are_those_of_transformers(form: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = write(form, tmp_path / "checkpoint")
    ours, theirs = load(folder), AutoTokenizer.from_pretrained(folder)
    assert ours.vocab_size == len(theirs) > 150
    for text in [*TEXTS, " ".join(TEXTS), " ".join(TEXTS) * 20]:
        for special in (True, False):
            ids = theirs(text, add_special_tokens=special)["input_ids"]
            assert ours.encode(text, add_special_tokens=special) == ids, text
            for skip in (True, False):
                want = theirs.decode(ids, skip_special_tokens=skip)
                assert ours.decode(ids, skip_special_tokens=skip) == want, text
                stream = Detokenizer(ours.vocabulary, (), skip_special_tokens=skip)
                assert stream.feed(ids) + stream.finish(lossy=True) == want, text
    named = {name: str(token) for name, token in theirs.special_tokens_map.items()}
    if form == "tekken":  # transformers leaves these without names
        assert not named
        named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    assert ours.special_tokens == named
    if "eos_token" in named:
        assert ours.eos_token_id == theirs.convert_tokens_to_ids(named["eos_token"]) is not None


def no_child(*args: Any, **kwargs: Any) -> None:
    raise AssertionError("a child was started")


def test_converted_once_and_again_when_a_file_changes(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write("bert-vocab-txt", tmp_path / "checkpoint")
    ids = load(folder).encode("HELLO")
    copy = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    with monkeypatch.context() as patch:
        patch.setattr(tokenizer_forms.subprocess, "run", no_child)
        assert load(folder).encode("HELLO") == load(copy).encode("HELLO") == ids
        assert len(list(cache.iterdir())) == 1
        (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
        with pytest.raises(AssertionError, match="a child was started"):
            load(folder)
    assert load(folder).encode("HELLO") != ids
    assert len(list(cache.iterdir())) == 2


def test_a_tokenizer_json_needs_no_conversion(checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_forms.subprocess, "run", no_child)
    assert load(checkpoints["llama"]).encode("the")


def test_two_servers_at_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both convert, one is first, both go on with the same files, and nothing else is left in the cache."""
    folder = write("tekken", tmp_path / "checkpoint")
    both = threading.Barrier(2, timeout=60)

    def child(source: Path, made: Path) -> None:
        (made / tokenizer_forms.TOKENIZER).write_text("{}")
        (made / tokenizer_forms.TOKENS).write_text("{}")
        both.wait()

    monkeypatch.setattr(tokenizer_forms, "_run_child", child)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: tokenizer_forms.converted(folder), range(2))
    assert first == second
    assert [p.name for p in cache.iterdir()] == [first[0].parent.name]


def test_the_network_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where a hub is at hand and the server may use it; and a connection in the child would be refused."""
    folder = write("qwen2-vocab-merges", tmp_path / "checkpoint")
    with serve_hub(FakeHub({})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        load(folder)
        assert hub.requests == []
        code = f"""
        import sys, urllib.request
        from frameworkctl.checkpoints import tokenizer_converter
        tokenizer_converter.convert = lambda source, made: urllib.request.urlopen({hub.url!r})
        sys.argv = ["", {str(tmp_path)!r}, {str(tmp_path)!r}]
        try:
            tokenizer_converter.main()
        except Exception as e:
            print(e)
        """
        assert "needs no network" in python(code).stdout
        assert hub.requests == []


def broken(folder: Path, what: str) -> None:
    """A checkpoint whose tokenizer cannot be converted."""
    if what == "nothing":
        (folder / "config.json").write_text("{}")
        return
    write("llama-bpe", folder)
    if what == "garbage":
        (folder / "tokenizer.model").write_bytes(b"\x0a\xff\xff\xff" + bytes(range(256)))
    elif what == "empty":
        (folder / "tokenizer.model").write_bytes(b"")
    elif what == "other files":
        (folder / "tokenizer.model").unlink()
        (folder / "vocab.txt").write_text("[UNK]\nword\n")
    elif what == "code":
        config = {"tokenizer_class": "NobodysTokenizer", "auto_map": {"AutoTokenizer": ["tokenization_x.X", None]}}
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    elif what == "a model's class":
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaForCausalLM"}))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nothing", r"has no tokenizer: neither tokenizer.json nor any of \*.model, tekken.json, vocab.json, "),
        ("garbage", r"cannot convert tokenizer.model to tokenizer.json: tokenizer.model is not a Sentence.*: "),
        ("empty", r"tokenizer.model is a SentencePiece model without pieces"),
        ("other files", r"cannot convert vocab.txt to tokenizer.json: LlamaTokenizer, .* does not read such files"),
        ("code", r"cannot convert tokenizer.model to .*: its tokenizer is code in the checkpoint, which is never run"),
        ("a model's class", r"tokenizer_config.json names 'LlamaForCausalLM', which is no class of a tokenizer"),
    ],
)
def test_the_reason_is_one_line_that_names_the_file(tmp_path: Path, cache: Path, what: str, message: str) -> None:
    broken(tmp_path, what)
    with pytest.raises(ConfigError, match=message) as caught:
        load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not cache.exists() or list(cache.iterdir()) == []


@pytest.mark.parametrize(("form", "package"), [("llama-bpe", "sentencepiece"), ("tiktoken", "tiktoken")])
def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, package: str) -> None:
    folder = write(form, tmp_path / "checkpoint")
    (tmp_path / f"{package}.py").write_text(f'raise ImportError("No module named {package!r}")')
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ConfigError, match=rf"No module named '{package}'.*pip install 'frameworkctl\[tokenizers\]'"):
        load(folder)


def test_a_child_that_dies_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write("llama-bpe", tmp_path / "checkpoint")
    (tmp_path / "sentencepiece.py").write_text("import os, sys\nsys.stderr.write('no way\\n')\nos._exit(7)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ConfigError, match="the converter ended with status 7: no way"):
        load(folder)


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FRAMEWORKCTL_CACHE", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="set FRAMEWORKCTL_CACHE"):
        load(write("tekken", tmp_path / "checkpoint"))


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEWORKCTL_CACHE", "~/own")
    assert tokenizer_forms.cache_dir() == Path.home() / "own"
    monkeypatch.delenv("FRAMEWORKCTL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/xdg")
    assert tokenizer_forms.cache_dir() == Path("/var/xdg/frameworkctl")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert tokenizer_forms.cache_dir() == Path.home() / ".cache" / "frameworkctl"
