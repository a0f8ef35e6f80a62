"""Turns the stream of conversations into batches of about equal size, with little padding."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from tokenizers import Tokenizer

from frameworkctl_demo.training.tokenizer import CONTEXT

from .chat import IGNORED, Example, encode, encode_bare
from .data import bare_capital, bare_copy, bare_sum, training_conversations
from .turns import Skill

_POOL = 1024
# What a drill is about, and how often.
_DRILLS = ((bare_sum, 55), (bare_capital, 20), (bare_copy, 25))
# What follows " =" or " is" (in the tokenizer's alphabet) in a bare statement can be foretold.
_GIVEN = ("Ġ=", "Ġis")


@dataclass(frozen=True)
class Batch:
    """Token ids and labels, padded on the right, and the skills of each row's turns in order."""

    ids: torch.Tensor
    labels: torch.Tensor
    skills: tuple[tuple[Skill, ...], ...]


def training_batches(tokenizer: Tokenizer, tokens: int, seed: int) -> Iterator[Batch]:
    """Yield an endless stream of batches of at most `tokens` tokens, padding counted."""
    rng = random.Random(f"batches {seed}")
    stream = training_conversations(seed + 1)
    while True:
        pool = [encode(conversation, tokenizer) for conversation in islice(stream, _POOL)]
        batches = list(pack([example for example in pool if len(example.ids) <= CONTEXT], tokens))
        rng.shuffle(batches)
        yield from batches


def drills(tokenizer: Tokenizer, tokens: int, seed: int) -> Iterator[Batch]:
    """Yield an endless stream of batches of bare statements, in which only the part that can be foretold is learned."""
    rng = random.Random(f"drills {seed}")
    while True:
        makers = rng.choices([maker for maker, _ in _DRILLS], [weight for _, weight in _DRILLS], k=_POOL)
        texts = [maker(rng) for maker in makers]
        examples = [encode_bare(text, tokenizer, bos=rng.random() < 0.5, given=_GIVEN) for text in texts]
        batches = list(pack(examples, tokens))
        rng.shuffle(batches)
        yield from batches


def pack(examples: list[Example], tokens: int) -> Iterator[Batch]:
    """Batch examples of similar length together."""
    rows: list[Example] = []
    for example in sorted(examples, key=lambda item: len(item.ids)):
        if rows and len(example.ids) * (len(rows) + 1) > tokens:
            yield _batch(rows)
            rows = []
        rows.append(example)
    if rows:
        yield _batch(rows)


def _batch(rows: list[Example]) -> Batch:
    width = max(len(row.ids) for row in rows)
    # Attention is causal and padding stands on the right, so no real token ever sees it: no mask is needed.
    ids = torch.tensor([row.ids + [0] * (width - len(row.ids)) for row in rows])
    labels = torch.tensor([row.labels + [IGNORED] * (width - len(row.ids)) for row in rows])
    return Batch(ids, labels, tuple(row.skills for row in rows))
