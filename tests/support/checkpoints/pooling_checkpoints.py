"""Tiny BERTs with a tokenizer, as an embedder and as classifiers; and what transformers makes of texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .encoders import make_encoder

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "find", "text"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,?!'"


def add_word_pieces(folder: Path) -> None:
    """A WordPiece tokenizer of a few words and single letters, as BERT's."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocab = [*SPECIAL, *WORDS, *(c for c in LETTERS if c != "a"), *(f"##{c}" for c in LETTERS)]
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(vocab)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {f"{name[1:-1].lower()}_token": name for name in SPECIAL}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", **names}))


def make_embedder(folder: Path) -> Any:
    """Mean of all tokens, normalised; may be cut to 16; with prompts. Returns transformers' model."""
    model = make_encoder("Bert", "Model", folder)
    add_word_pieces(folder)
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    prompts = {"prompts": {"query": "find ", "document": "text "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "matryoshka_dimensions": [16, 32, 48]}))
    return model


def make_classifier(folder: Path, labels: int) -> Any:
    """Returns transformers' model."""
    model = make_encoder("Bert", "ForSequenceClassification", folder, num_labels=labels)
    add_word_pieces(folder)
    return model


def run(model: Any, folder: Path, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[Any]:
    """transformers' outputs, one text at a time."""
    import torch
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    out = []
    for i, text in enumerate(texts):
        encoding = tokenizer.encode(text, None if pairs is None else pairs[i])
        with torch.no_grad():
            out.append(model.eval()(torch.tensor([encoding.ids]), token_type_ids=torch.tensor([encoding.type_ids])))
    return out


def embeddings(model: Any, folder: Path, texts: Sequence[str], size: int | None = None) -> list[list[float]]:
    """Mean, cut, normalised."""
    import torch

    means = [o.last_hidden_state[0].mean(0)[:size] for o in run(model, folder, texts)]
    return [torch.nn.functional.normalize(m, dim=0).tolist() for m in means]
