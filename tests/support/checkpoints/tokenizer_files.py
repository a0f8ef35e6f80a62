"""Small tokenizers in every form but tokenizer.json, trained on a few lines of many scripts."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

LINES = [
    "the quick brown fox jumps over the lazy dog",
    "def main(): return 42  # note",
    "日本語のテキスト 中文文本 混合",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "hello world 🙂 and more emoji",
    "Grüße aus Köln, naïve café, пример текста",
] * 20
TEKKEN_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
Files = dict[str, bytes]


@cache
def sentencepiece_model(kind: str, **options: Any) -> bytes:
    """``kind``: ``bpe`` or ``unigram``."""
    import sentencepiece

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES),
        model_writer=out,
        model_type=kind,
        minloglevel=2,
        hard_vocab_limit=False,
        **options,
    )
    return out.getvalue()


def bpe_with_bytes() -> bytes:
    """As Llama's: byte fallback, text as it is, and two tokens for conversations."""
    return sentencepiece_model(
        "bpe",
        vocab_size=540,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        user_defined_symbols="<|im_start|>,<|im_end|>",
    )


def unigram_with_bytes() -> bytes:
    return sentencepiece_model("unigram", vocab_size=420, byte_fallback=True)


def unigram() -> bytes:
    """As T5's: NFKC, no bytes."""
    return sentencepiece_model("unigram", vocab_size=300)


@cache
def byte_level() -> tuple[str, str]:
    """vocab.json and merges.txt."""
    from tokenizers import ByteLevelBPETokenizer

    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        LINES, vocab_size=500, special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"], show_progress=False
    )
    model = json.loads(tokenizer._tokenizer.to_str())["model"]
    merges = [" ".join(m) if isinstance(m, list) else m for m in model["merges"]]
    return json.dumps(model["vocab"]), "#version: 0.2\n" + "".join(m + "\n" for m in merges)


def word_pieces() -> str:
    """vocab.txt."""
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(lowercase=True)
    tokenizer.train_from_iterator(LINES, vocab_size=400, show_progress=False)
    return "".join(f"{t}\n" for t, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]))


@cache
def ranked_bytes() -> list[bytes]:
    """A vocabulary as tiktoken and tekken rank it: single bytes, then what is merged of them."""
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    printable = [b for b in range(256) if chr(b) in letters]
    of_letter = {chr(b): b for b in printable}
    of_letter |= {chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in printable)}
    vocab = json.loads(byte_level()[0])
    tokens = [t for t, _ in sorted(vocab.items(), key=lambda item: item[1]) if not t.startswith("<|")]
    merged = [bytes(of_letter[c] for c in t) for t in tokens if len(t) > 1]
    return [bytes([b]) for b in range(256)] + merged


def tekken() -> str:
    ranks, special = ranked_bytes(), ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
    return json.dumps(
        {
            "config": {
                "pattern": TEKKEN_WORDS,
                "num_vocab_tokens": len(ranks),
                "default_vocab_size": len(ranks) + 10,
                "default_num_special_tokens": 10,
                "version": "v7",
            },
            "vocab": [
                {"rank": i, "token_bytes": base64.b64encode(b).decode(), "token_str": None} for i, b in enumerate(ranks)
            ],
            "special_tokens": [{"rank": i, "token_str": s, "is_control": True} for i, s in enumerate(special)],
        }
    )


def tiktoken() -> str:
    return "".join(f"{base64.b64encode(b).decode()} {i}\n" for i, b in enumerate(ranked_bytes()))


def _pair() -> Files:
    vocab, merges = byte_level()
    return {"vocab.json": vocab.encode(), "merges.txt": merges.encode()}


# By name: model_type, tokenizer_config.json (None: there is none), and the vocabulary's files.
FORMS: dict[str, tuple[str, dict[str, Any] | None, Callable[[], Files]]] = {
    "llama-bpe": (
        "llama",
        {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "bos_token": "<s>", "eos_token": "<|im_end|>"},
        lambda: {"tokenizer.model": bpe_with_bytes()},
    ),
    "plain-bpe": ("jamba", None, lambda: {"tokenizer.model": bpe_with_bytes()}),
    "plain-unigram": ("jamba", None, lambda: {"tokenizer.model": unigram_with_bytes()}),
    "t5-unigram": ("t5", {"tokenizer_class": "T5Tokenizer"}, lambda: {"spiece.model": unigram()}),
    "qwen2-vocab-merges": (
        "qwen2",
        {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "extra_special_tokens": ["<|im_start|>"]},
        _pair,
    ),
    "bert-vocab-txt": ("bert", {"do_lower_case": True}, lambda: {"vocab.txt": word_pieces().encode()}),
    "tekken": ("mistral", None, lambda: {"tekken.json": tekken().encode()}),
    "tiktoken": ("llama", {"tokenizer_class": "LlamaTokenizer"}, lambda: {"tokenizer.model": tiktoken().encode()}),
}


def write(form: str, folder: Path) -> Path:
    """The folder with the form's files and a config.json of nothing but a model_type."""
    model_type, config, files = FORMS[form]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    for name, data in files().items():
        (folder / name).write_bytes(data)
    return folder
