"""Measures the reranker and the classifier on what they never saw: `python -m ...training.evaluate_encoders`."""

from __future__ import annotations

import argparse
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import BertForSequenceClassification
from transformers.utils import logging

from frameworkctl_demo.training.encoder_data.pairs import Group, held_out_groups, taught_groups
from frameworkctl_demo.training.encoder_data.reviews import LABELS, Label, Review, held_out_reviews

from .encoder_tasks import class_scores, rank_scores

RERANKER = Path(__file__).parents[1] / "reranker_weights"
CLASSIFIER = Path(__file__).parents[1] / "classifier_weights"
_PART = 50
# The usual parameters of BM25 (Robertson and Zaragoza 2009, section 3.4).
_K1, _B = 1.2, 0.75

Ranker = Callable[[Sequence[Group]], list[list[float]]]


@dataclass(frozen=True)
class Ranking:
    """The share of questions whose right document came first, and the mean of 1 / its place."""

    first: float
    reciprocal: float


def load(folder: Path) -> tuple[BertForSequenceClassification, Tokenizer]:
    """Return a checkpoint folder with its tokenizer, computed in float32."""
    model = BertForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), Tokenizer.from_file(str(folder / "tokenizer.json"))


def by_model(folder: Path) -> Ranker:
    """Scores documents with a checkpoint."""
    model, tokenizer = load(folder)

    def score(groups: Sequence[Group]) -> list[list[float]]:
        scores: list[list[float]] = []
        for start in range(0, len(groups), _PART):
            scores += rank_scores(model, tokenizer, groups[start : start + _PART]).tolist()
        return scores

    return score


def by_words(groups: Sequence[Group]) -> list[list[float]]:
    """Scores documents with BM25, over all documents of the groups as the collection."""
    texts = [[_words(document.text) for document in made.documents] for made in groups]
    collection = [words for group in texts for words in group]
    within = Counter(word for words in collection for word in set(words))
    mean = sum(map(len, collection)) / len(collection)

    def score(asked: list[str], words: list[str]) -> float:
        counts, total = Counter(words), 0.0
        for word in asked:
            weight = math.log(1 + (len(collection) - within[word] + 0.5) / (within[word] + 0.5))
            total += weight * counts[word] * (_K1 + 1) / (counts[word] + _K1 * (1 - _B + _B * len(words) / mean))
        return total

    return [[score(_words(made.query), words) for words in group] for made, group in zip(groups, texts, strict=True)]


def ranking(ranker: Ranker, groups: Sequence[Group]) -> Ranking:
    """Return how well a ranker does; a document of the same score as the right one is counted before it."""
    places = [
        sum(score >= scores[made.right] for score in scores)
        for made, scores in zip(groups, ranker(groups), strict=True)
    ]
    return Ranking(sum(place == 1 for place in places) / len(places), sum(1 / place for place in places) / len(places))


def confusion(folder: Path, reviews: Sequence[Review]) -> Counter[tuple[Label, Label]]:
    """Return how often each class was taken for each."""
    model, tokenizer = load(folder)
    found: Counter[tuple[Label, Label]] = Counter()
    for start in range(0, len(reviews), 10 * _PART):
        part = reviews[start : start + 10 * _PART]
        said = class_scores(model, tokenizer, part).argmax(-1).tolist()
        found.update((one.label, LABELS[place]) for one, place in zip(part, said, strict=True))
    return found


def accuracy(found: Counter[tuple[Label, Label]]) -> float:
    """Return the share of sentences that were taken for what they are."""
    return sum(count for (label, said), count in found.items() if label == said) / found.total()


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def main() -> None:
    """Print tables of both models."""
    parser = argparse.ArgumentParser(description="Measure the demo's reranker and classifier.")
    parser.add_argument("--reranker", type=Path, default=RERANKER, help="checkpoint folder (default: as shipped)")
    parser.add_argument("--classifier", type=Path, default=CLASSIFIER, help="checkpoint folder (default: as shipped)")
    parser.add_argument("--count", type=int, default=1000, help="questions, and sentences")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    groups = held_out_groups(given.count, given.seed)
    parts = {
        "held out": groups,
        "  named": [made for made in groups if made.fact.kind != "help"],
        "  help": [made for made in groups if made.fact.kind == "help"],
        "taught": taught_groups(given.count, given.seed),
    }
    model = by_model(given.reranker)
    for name, part in parts.items():
        for how, ranker in (("reranker", model), ("BM25", by_words)):
            found = ranking(ranker, part)
            print(f"{name:8} {how:9} first {found.first:6.1%}  mean 1/place {found.reciprocal:.3f}  of {len(part)}")
    for title, new_words in (("known opinions", False), ("new opinions", True)):
        table = confusion(given.classifier, held_out_reviews(given.count, given.seed, new_words=new_words))
        print(f"{title}: {accuracy(table):.1%} of {given.count}")
        for label in LABELS:
            made = sum(count for (right, _), count in table.items() if right == label)
            taken = sum(count for (_, said), count in table.items() if said == label)
            hits = table[label, label]
            print(f"  {label:9} recall {hits / max(made, 1):6.1%}  precision {hits / max(taken, 1):6.1%}  of {made}")


if __name__ == "__main__":
    main()
