"""Trains the tokenizer that the reranker and the classifier share: BERT's, on what both are trained on."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from frameworkctl_demo.training.encoder_data.pairs import group
from frameworkctl_demo.training.encoder_data.reviews import review

VOCABULARY = 3072
CONTEXT = 256
PAD, UNKNOWN, START, SEPARATOR = _SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def train_wordpieces(seed: int, samples: int = 6000) -> Tokenizer:
    """Learn the pieces; case and accents are dropped, and a pair becomes ``[CLS] a [SEP] b [SEP]``."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    # Single digits: numbers are as good as random, and would take up the vocabulary.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Digits(individual_digits=True)]
    )
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=list(_SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(_texts(seed, samples), trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in (START, SEPARATOR)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {SEPARATOR}", pair=f"{START} $A {SEPARATOR} $B:1 {SEPARATOR}:1", special_tokens=ends
    )
    return tokenizer


def save_wordpieces(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the tokenizer as transformers reads it."""
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "unk_token": UNKNOWN,
        "cls_token": START,
        "sep_token": SEPARATOR,
        "model_max_length": CONTEXT,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _texts(seed: int, samples: int) -> Iterator[str]:
    rng = random.Random(f"word pieces {seed}")
    alphabet = "".join(chr(code) for code in range(33, 127))
    yield f"{alphabet} {' '.join(alphabet)}"
    for _ in range(samples):
        made = group(rng, "train")
        yield from (made.query, *(document.text for document in made.documents[:2]))
        yield review(rng, "train").text
        yield review(rng, "train").text
