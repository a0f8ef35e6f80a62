"""What is trained on and what is kept out of training to measure with, and how lists of phrasings are written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "held_out"]


@dataclass(frozen=True)
class Phrasings:
    """Two disjoint sets of ways to say one thing."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]

    def of(self, split: Split) -> tuple[str, ...]:
        """Return the phrasings of one split."""
        return self.train if split == "train" else self.held_out


def words(text: str) -> tuple[str, ...]:
    """Single words with spaces between them."""
    return tuple(text.split())


def lines(text: str) -> tuple[str, ...]:
    """Return one phrasing a line; blank lines only separate groups."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def bars(text: str) -> tuple[str, ...]:
    """Phrasings one after the other with "|" between them; line breaks count as spaces."""
    return tuple(" ".join(part.split()) for part in text.split("|"))
