"""Makes sentences that are positive, negative or neither, for the classifier."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from typing import Final, Literal

from frameworkctl_demo.training.words import sentiment_words as told
from frameworkctl_demo.training.words.augment import dress_up, fill
from frameworkctl_demo.training.words.split import Phrasings, Split

from . import review_phrasings as said
from .pairs import statement

Label = Literal["negative", "neutral", "positive"]
LABELS: Final[tuple[Label, ...]] = ("negative", "neutral", "positive")

TRAINED: Final[dict[Label, tuple[str, ...]]] = {
    "positive": (*told.GOOD_FORMS, *said.POSITIVE.train),
    "negative": (*told.BAD_FORMS, *said.NEGATIVE.train),
    "neutral": (*told.NEUTRAL, *said.NEUTRAL.train),
}
HELD_OUT: Final[dict[Label, tuple[str, ...]]] = {
    "positive": said.POSITIVE.held_out,
    "negative": said.NEGATIVE.held_out,
    "neutral": said.NEUTRAL.held_out,
}
_STRAYS: Final[dict[Label, tuple[str, ...]]] = {
    "positive": ("{good}", "{good}", "{good} {thing}", "{very} {good}", "{lov}", "not {bad}", "{good} and {good2}"),
    "negative": ("{bad}", "{bad}", "{bad} {thing}", "{very} {bad}", "{hat}", "not {good}", "{bad} and {bad2}"),
}
GOOD = Phrasings(tuple(w for w in dict.fromkeys(told.GOOD) if w not in said.UNSEEN_GOOD), said.UNSEEN_GOOD)
BAD = Phrasings(tuple(w for w in dict.fromkeys(told.BAD) if w not in said.UNSEEN_BAD), said.UNSEEN_BAD)
_THINGS = Phrasings(tuple(w for w in told.THINGS if w not in said.UNSEEN_THINGS), said.UNSEEN_THINGS)


@dataclass(frozen=True)
class Review:
    """A sentence, its class, and the phrasing it was made of."""

    text: str
    label: Label
    phrasing: str


def review(rng: random.Random, split: Split, *, new_words: bool = False) -> Review:
    """Return a sentence of any class; with `new_words` its opinions too are words that training never saw."""
    label = rng.choice(LABELS)
    made = _sentence(rng, split, label, new_words=new_words)
    if split == "train" and rng.random() < 0.2:
        # Beside others, of which one may say nothing of the kind.
        more = [made.text, _sentence(rng, split, rng.choice(("neutral", label)), new_words=new_words).text]
        rng.shuffle(more)
        made = replace(made, text=". ".join(text.rstrip(".!") for text in more))
    return made


def _sentence(rng: random.Random, split: Split, label: Label, *, new_words: bool) -> Review:
    if split == "train" and rng.random() < 0.3:
        return Review(_stray(rng, label), label, "")
    if label == "neutral" and rng.random() < 0.25:
        return Review(statement(rng, split), label, "")
    form = rng.choice((TRAINED if split == "train" else HELD_OUT)[label])
    phrasing = form
    if split == "train" and rng.random() < 0.15:
        form = dress_up(form, rng, question=False, slips=True)
    if split == "train" and rng.random() < 0.12:
        form = f"{rng.choice(said.EMPHASIS)} {form[:1].lower()}{form[1:]}"
    text = fill(form, {**_slots(rng, split, new_words=new_words), "whole": _whole(label, rng)})
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text[:1].upper() + text[1:])
    if not text.endswith(("?", "!", ".")):
        text += rng.choice((".", ".", "", "!", "!" if label != "neutral" else "."))
    return Review(text, label, phrasing)


def held_out_reviews(count: int, seed: int, *, new_words: bool = False) -> list[Review]:
    """Sentences in phrasings, and about things, that training never saw, each at most once.

    With `new_words` they are only such as hold an opinion that training never saw, and so have two classes.
    """
    rng = random.Random(f"held out reviews {seed} {new_words}")
    found: dict[str, Review] = {}
    while len(found) < count:
        made = review(rng, "held_out", new_words=new_words)
        if not new_words or any(word in made.text.lower() for word in (*said.UNSEEN_GOOD, *said.UNSEEN_BAD)):
            found[made.text] = made
    return list(found.values())


def _whole(label: Label, rng: random.Random) -> str:
    return rng.choice(told.GOOD_WHOLE if label == "positive" else told.BAD_WHOLE)


def _stray(rng: random.Random, label: Label) -> str:
    """Return an opinion, if any, in the middle of something else: the words around it must not count."""
    slots = _slots(rng, "train", new_words=False)
    around = (statement(rng, "train") if rng.random() < 0.6 else fill(rng.choice(TRAINED["neutral"]), slots)).split()
    if rng.random() < 0.4:
        rng.shuffle(around)
    start = rng.randrange(len(around))
    around = around[start:] if rng.random() < 0.2 else around
    if label != "neutral":
        opinion = fill(rng.choice(_STRAYS[label]), slots)
        around.insert(rng.randint(0, len(around)), opinion)
    return " ".join(around)


def _slots(rng: random.Random, split: Split, *, new_words: bool) -> dict[str, object]:
    opinions: Split = "held_out" if new_words else "train"
    slots: dict[str, object] = {
        "very": rng.choice(said.VERY),
        "lov": rng.choice(told.GOOD_VERBS),
        "hat": rng.choice(told.BAD_VERBS),
    }
    for slot, choices in (("thing", _THINGS.of(split)), ("good", GOOD.of(opinions)), ("bad", BAD.of(opinions))):
        slots[slot], slots[f"{slot}2"] = rng.sample(choices, 2)
    return slots
