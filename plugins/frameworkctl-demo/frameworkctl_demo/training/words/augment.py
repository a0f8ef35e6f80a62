"""Varies how a question is written (case, punctuation, politeness, contractions, typing slips), and undoes it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping

# Told apart by "|", for the spaces at their ends count.
_PREFIXES = (  # noqa: SIM905
    "please |Please, |can you tell me |Can you tell me: |could you tell me |could you please tell me |tell me |"
    "please tell me |hey, |Hi, |hello, |Hello! |Hi! |ok, |so |so, |now |and |quick question: |I want to know: |"
    "I would like to know |excuse me, |question: |do you know |can you please |would you |one more: |next: |well, |"
    "thanks! |great, |cool. |Q: "
).split("|")
_SUFFIXES = " please|, please| please?| thanks|, thank you|, bot| for me| now|!| then|, my friend".split("|")  # noqa: SIM905
_CONTRACTIONS = {
    "what is": "what's",
    "who is": "who's",
    "where is": "where's",
    "how is": "how's",
    "when is": "when's",
    "that is": "that's",
    "it is": "it's",
    "i am": "i'm",
    "do not": "don't",
    "i would": "i'd",
    "let us": "let's",
    "you are": "you're",
    "hope all is": "hope all's",
}
_ENDINGS = ("", "", "", "", "?", "?", "??", " ?", ".", "!", "...")
_SLOT = re.compile(r"(\{\w+\})")


def normal(phrasing: str) -> str:
    """Reduce a phrasing to its words, so that two that differ only in dress compare equal."""
    text = phrasing.lower().replace("\u2019", "'")
    for long, short in _CONTRACTIONS.items():
        text = re.sub(rf"\b{short}\b", long, text)
    return " ".join(re.findall(r"\{\w+\}|[^\W_]+|[+\-*/=%^]", text))


def dress_up(phrasing: str, rng: random.Random, *, question: bool, slips: bool) -> str:
    """Vary a phrasing whose slots are still open, so that the slots' contents stay as they are.

    `question` allows the politeness that would be odd around small talk; `slips` allows typing mistakes.
    """
    text = phrasing
    if rng.random() < 0.3:
        text = _contract(text, rng)
    if rng.random() < 0.35:
        text = text.rstrip("?.! ") + rng.choice(_ENDINGS) or text
    if question and rng.random() < 0.22:
        start = rng.choice(_PREFIXES)
        keeps_case = text.startswith(("I ", "I'", "{")) or rng.random() < 0.3
        text = start + (text if keeps_case else text[:1].lower() + text[1:])
    if question and rng.random() < 0.1:
        text = text.rstrip("?.! ") + rng.choice(_SUFFIXES)
    if slips and rng.random() < 0.08:
        text = _slip(text, rng)
    return text


def set_case(text: str, rng: random.Random) -> str:
    """Write the finished text as some users do: all small, all large, or with another first letter."""
    draw = rng.random()
    if draw < 0.22:
        return text.lower()
    if draw < 0.31:
        return text.upper()
    if draw < 0.42:
        return text[:1].upper() + text[1:]
    return text


def fill(phrasing: str, slots: Mapping[str, object]) -> str:
    """Put values into the slots; braces that are no slot stay."""
    return _SLOT.sub(lambda match: str(slots.get(match.group(1)[1:-1], match.group(1))), phrasing)


def overlap(first: Iterable[str], second: Iterable[str]) -> set[str]:
    """Return the phrasings that two sets share once dress is taken off."""
    return {normal(text) for text in first} & {normal(text) for text in second}


def _contract(text: str, rng: random.Random) -> str:
    for long, short in _CONTRACTIONS.items():
        match = re.search(rf"\b{long}\b", text, re.IGNORECASE)
        if match:
            new = match.group(0)[0] + short[1:]
            if rng.random() < 0.25:
                new = new.replace("'", "")
            text = text[: match.start()] + new + text[match.end() :]
    return text


def _slip(text: str, rng: random.Random) -> str:
    """Swap, drop or double one letter inside one longer word."""
    parts = _SLOT.split(text)
    spots = [
        (index, match.start() + at)
        for index, part in enumerate(parts)
        if not part.startswith("{")
        for match in re.finditer(r"[a-zA-Z]{5,}", part)
        for at in range(1, len(match.group(0)) - 2)
    ]
    if not spots:
        return text
    index, at = rng.choice(spots)
    part = parts[index]
    replaced = rng.choice((part[at + 1] + part[at], part[at], part[at] + part[at] + part[at + 1]))
    parts[index] = part[:at] + replaced + part[at + 2 :]
    return "".join(parts)
