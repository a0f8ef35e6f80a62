"""What the reranker and the classifier are trained for, and how they are held to it while they are."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import torch
from tokenizers import Encoding, Tokenizer
from torch.nn import functional
from transformers import BertForSequenceClassification

from frameworkctl_demo.training.encoder_data.pairs import ALL_FACTS, Group, group, held_out_groups
from frameworkctl_demo.training.encoder_data.reviews import LABELS, Review, held_out_reviews, review

from .encoders import build_encoder, logits_of, states_of

_GROUPS = 14
_REVIEWS = 96
_NUMBERS: Final = {fact: number for number, fact in enumerate(ALL_FACTS)}


class Task(Protocol):
    """A model with what it is asked in training."""

    model: BertForSequenceClassification

    def heads(self) -> Iterator[torch.nn.Parameter]:
        """Parameters that are trained along and not kept."""

    def loss(self, rng: random.Random) -> torch.Tensor:
        """Return the loss of a fresh batch."""

    def held_out(self) -> float:
        """Return the share that is right of a few that are not trained on."""


class Reranker:
    """Scores the documents of a question; the one that answers it has to come first."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.model, self._tokenizer = build_encoder(tokenizer, "reranker"), tokenizer
        self._hints = Hints(self.model.config.hidden_size)

    def heads(self) -> Iterator[torch.nn.Parameter]:
        return self._hints.parameters()

    def loss(self, rng: random.Random) -> torch.Tensor:
        """Return the right document above the others of its question, and each score for itself a probability."""
        groups = [group(rng, "train") for _ in range(_GROUPS)]
        encoded = encode_groups(self._tokenizer, groups)
        states = states_of(self.model, encoded)
        scores = logits_of(self.model, states).view(len(groups), -1)
        right = torch.tensor([made.right for made in groups])
        apart = functional.binary_cross_entropy_with_logits(scores, functional.one_hot(right, scores.shape[1]).float())
        return functional.cross_entropy(scores, right) + 2 * apart + self._hints.loss(groups, encoded, states)

    def held_out(self) -> float:
        groups = held_out_groups(100, 0)
        best = rank_scores(self.model, self._tokenizer, groups).argmax(-1).tolist()
        return sum(place == made.right for place, made in zip(best, groups, strict=True)) / len(groups)


class Classifier:
    """Says which of `LABELS` a sentence is."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.model, self._tokenizer = build_encoder(tokenizer, "classifier"), tokenizer

    def heads(self) -> Iterator[torch.nn.Parameter]:
        return iter(())

    def loss(self, rng: random.Random) -> torch.Tensor:
        made = [review(rng, "train") for _ in range(_REVIEWS)]
        logits = logits_of(self.model, states_of(self.model, self._tokenizer.encode_batch([one.text for one in made])))
        right = torch.tensor([LABELS.index(one.label) for one in made])
        return functional.cross_entropy(logits, right, label_smoothing=0.02)

    def held_out(self) -> float:
        made = held_out_reviews(400, 0)
        said = class_scores(self.model, self._tokenizer, made).argmax(-1).tolist()
        return sum(LABELS[label] == one.label for label, one in zip(said, made, strict=True)) / len(made)


class Hints(torch.nn.Module):
    """What the reranker is asked beside its score while it is trained, and which makes it learn much sooner.

    At the end of the question: which fact is asked for. At the end of the document: which fact it tells (the last class
    is none), and whether it is about the question's subject.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.asked = torch.nn.Linear(hidden, len(ALL_FACTS))
        self.told = torch.nn.Linear(hidden, len(ALL_FACTS) + 2)

    def loss(
        self, groups: Sequence[Group], encoded: Sequence[Encoding], states: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Mean cross entropies of the three answers, summed."""
        documents = [document for made in groups for document in made.documents]
        asked = [_NUMBERS[made.fact] for made in groups for _ in made.documents]
        told = [len(ALL_FACTS) if one.tells is None else _NUMBERS[one.tells] for one in documents]
        same = torch.tensor([float(one.same_subject) for one in documents])
        ends = torch.stack([one[text.type_ids.index(1) - 1] for one, text in zip(states, encoded, strict=True)])
        last = torch.stack([one[len(text.ids) - 1] for one, text in zip(states, encoded, strict=True)])
        guess = self.told(last)
        return (
            functional.cross_entropy(self.asked(ends), torch.tensor(asked))
            + functional.cross_entropy(guess[:, :-1], torch.tensor(told))
            + functional.binary_cross_entropy_with_logits(guess[:, -1], same)
        )


def encode_groups(tokenizer: Tokenizer, groups: Sequence[Group]) -> list[Encoding]:
    """Return each question with each of its documents."""
    return tokenizer.encode_batch([(made.query, document.text) for made in groups for document in made.documents])


@torch.inference_mode()
def rank_scores(model: BertForSequenceClassification, tokenizer: Tokenizer, groups: Sequence[Group]) -> torch.Tensor:
    """Return `[groups, documents]`, for groups of equally many documents."""
    return logits_of(model, states_of(model, encode_groups(tokenizer, groups))).view(len(groups), -1)


@torch.inference_mode()
def class_scores(model: BertForSequenceClassification, tokenizer: Tokenizer, made: Sequence[Review]) -> torch.Tensor:
    """Return `[reviews, labels]`."""
    return logits_of(model, states_of(model, tokenizer.encode_batch([one.text for one in made])))
