"""Makes the conversations the demo model is trained on, and the questions it is measured with."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from . import unknown_topics as topics
from .augment import dress_up, fill, normal, set_case
from .capital_phrasings import CAPITAL, COUNTRY_OF, FOLLOW_UP
from .facts import CAPITALS, COUNTRIES, COUNTRY_NAMES, spell
from .people import NAMES, SYSTEMS
from .smalltalk import INTENTS, remark
from .split import Phrasings, Split
from .sum_phrasings import ADDITION, SUBTRACTION, THINGS
from .unknown import unknown_question

Skill = Literal["greetings", "addition", "subtraction", "capitals", "unknown"]
SKILLS: Final[tuple[Skill, ...]] = ("greetings", "addition", "subtraction", "capitals", "unknown")
DO_NOT_KNOW: Final = "I am a small demo model and do not know that."
# Sums and facts are drilled as well, in a cheaper form (see `bare_sum`), so they need no larger share here.
_WEIGHTS: Final = (20, 18, 15, 21, 26)
# Turns per training conversation: most users ask one thing, some keep on until the context is nearly full.
_LENGTHS: Final = (1,) * 10 + (2,) * 6 + (3,) * 3 + (4, 5, 7, 11)

# Largest operands: small numbers are what people try, so training sees more of them; measuring draws evenly.
_LIMITS: Final = ((99, 99), (99, 99), (99, 99), (99, 20), (20, 20), (9, 9))


@dataclass(frozen=True)
class Turn:
    """One question with the one right reply, and the phrasing it was made from (what the split is about)."""

    skill: Skill
    user: str
    reply: str
    phrasing: str


@dataclass(frozen=True)
class Conversation:
    """An optional system message and the turns that follow."""

    system: str | None
    turns: tuple[Turn, ...]


def is_held_out_pair(a: int, b: int) -> bool:
    """Whether a pair of operands, in either order, is never trained on: one in ten of those with a large operand."""
    low, high = min(a, b), max(a, b)
    # Pairs of single digits are what people try first and too few to learn a rule from, so all of them are trained.
    return high >= 10 and (low * 100 + high) * 2654435761 % 2**32 < 2**32 // 10


def make_turn(rng: random.Random, skill: Skill, split: Split) -> Turn:
    """One question of a skill: phrasings, operands and subjects are those of the split."""
    return _MAKERS[skill](rng, split)


def training_conversations(seed: int) -> Iterator[Conversation]:
    """An endless stream of conversations for training."""
    rng = random.Random(seed)
    while True:
        yield _conversation(rng)


def held_out_questions(skill: Skill, count: int, seed: int, *, context: bool = True) -> list[Conversation]:
    """Questions in phrasings kept out of training; with `context`, most follow a system message or earlier turns."""
    rng = random.Random(f"{seed} {skill}")
    questions = []
    for _ in range(count):
        turns = [make_turn(rng, skill, "held_out")]
        system = None
        if context:
            system = rng.choice(SYSTEMS.held_out + SYSTEMS.train[:5]) if rng.random() < 0.5 else None
            for _ in range(rng.choice((0, 0, 0, 1, 2, 3))):
                turns.insert(0, make_turn(rng, rng.choice(SKILLS), "held_out"))
            if len(turns) > 1 and skill == turns[-2].skill == "capitals":
                turns[-1] = _capital(rng, "held_out", FOLLOW_UP)
        questions.append(Conversation(system, tuple(turns)))
    return questions


def bare_capital(rng: random.Random) -> str:
    """A capital as a bare statement, so that completing a prompt that is no chat works as well."""
    country = rng.choice(COUNTRIES)
    return _capital_reply(country) if rng.random() < 0.5 else _country_reply(country)


def bare_sum(rng: random.Random) -> str:
    """A sum or a difference as a bare statement: a drill, several times shorter than a conversation about one."""
    a, b = _operands(rng, "train")
    return _sum_reply(a, b) if rng.random() < 0.5 else _difference_reply(max(a, b), min(a, b))


def _conversation(rng: random.Random) -> Conversation:
    turns: list[Turn] = []
    for _ in range(rng.choice(_LENGTHS)):
        if turns and turns[-1].skill == "capitals" and rng.random() < 0.25:
            turns.append(_capital(rng, "train", FOLLOW_UP))
        else:
            turns.append(make_turn(rng, rng.choices(SKILLS, _WEIGHTS)[0], "train"))
    return Conversation(_system(rng), tuple(turns))


def _system(rng: random.Random) -> str | None:
    draw = rng.random()
    if draw < 0.45:
        return None
    if draw < 0.65:
        return SYSTEMS.train[0]
    return " ".join(rng.choice(SYSTEMS.train) for _ in range(rng.choice((1, 1, 1, 2, 3))))


def _operands(rng: random.Random, split: Split) -> tuple[int, int]:
    while True:
        limits = rng.choice(_LIMITS) if split == "train" else _LIMITS[0]
        pair = rng.randint(0, limits[0]), rng.randint(0, limits[1])
        if is_held_out_pair(*pair) == (split == "held_out"):
            return pair if rng.random() < 0.5 else (pair[1], pair[0])


def _sum_reply(a: int, b: int) -> str:
    # The operands come first: copying them next to each other takes the phrasing out of the arithmetic.
    return f"{a} + {b} = {a + b}."


def _difference_reply(a: int, b: int) -> str:
    return f"{a} - {b} = {a - b}."


def _arithmetic_slots(rng: random.Random, split: Split, a: int, b: int) -> dict[str, object]:
    spelled = rng.random() < 0.1
    # A name for each of the two people that a story may have.
    one, two = rng.sample(NAMES.of(split), 2)
    numbers = {"a": spell(a), "b": spell(b)} if spelled else {"a": a, "b": b}
    return {**numbers, "things": rng.choice(THINGS.of(split)), "one": one, "two": two}


def _dressed(rng: random.Random, phrasing: str, slots: dict[str, object], split: Split, question: bool = True) -> str:
    return set_case(fill(dress_up(phrasing, rng, question=question, slips=split == "train"), slots), rng)


def _addition(rng: random.Random, split: Split) -> Turn:
    a, b = _operands(rng, split)
    phrasing = rng.choice(ADDITION.of(split))
    slots = _arithmetic_slots(rng, split, a, b)
    # The reply keeps the order in which the question names the numbers.
    if phrasing.find("{b}") < phrasing.find("{a}"):
        a, b = b, a
    return Turn("addition", _dressed(rng, phrasing, slots, split), _sum_reply(a, b), phrasing)


def _subtraction(rng: random.Random, split: Split) -> Turn:
    a, b = sorted(_operands(rng, split), reverse=True)
    phrasing = rng.choice(SUBTRACTION.of(split))
    slots = _arithmetic_slots(rng, split, a, b)
    return Turn("subtraction", _dressed(rng, phrasing, slots, split), _difference_reply(a, b), phrasing)


def _capital_reply(country: str) -> str:
    return f"The capital of {country} is {CAPITALS[country].removesuffix('.')}."


def _country_reply(country: str) -> str:
    return f"{CAPITALS[country]} is the capital of {country}."


def _capital(rng: random.Random, split: Split, phrasings: Phrasings = CAPITAL) -> Turn:
    country = rng.choice(COUNTRIES)
    if phrasings is CAPITAL and rng.random() < 0.2:
        phrasing = rng.choice(COUNTRY_OF.of(split))
        user = _dressed(rng, phrasing, {"capital": CAPITALS[country]}, split)
        return Turn("capitals", user, _country_reply(country), phrasing)
    phrasing = rng.choice(phrasings.of(split))
    user = _dressed(rng, phrasing, {"country": rng.choice(COUNTRY_NAMES[country])}, split, phrasings is CAPITAL)
    return Turn("capitals", user, _capital_reply(country), phrasing)


def _greeting(rng: random.Random, split: Split) -> Turn:
    while True:
        said = remark(rng, split)
        # Choices and chains may by chance spell a phrasing that is kept out.
        if split == "held_out" or normal(said.text) not in HELD_OUT:
            user = _dressed(rng, said.text, {"name": rng.choice(NAMES.of(split))}, split, question=False)
            return Turn("greetings", user, said.reply, said.text)


def _unknown(rng: random.Random, split: Split) -> Turn:
    while True:
        text, phrasing = unknown_question(rng, split)
        # Random words may by chance spell a phrasing that is kept out.
        if split == "held_out" or normal(phrasing) not in HELD_OUT:
            return Turn("unknown", _dressed(rng, text, {}, split), DO_NOT_KNOW, phrasing)


def _held_out() -> frozenset[str]:
    sets = [ADDITION, SUBTRACTION, CAPITAL, COUNTRY_OF, FOLLOW_UP, topics.QUESTIONS, topics.TOPIC_TEMPLATES]
    sets += [topics.COUNTRY_TEMPLATES, topics.MATH_TEMPLATES, *(intent.phrasings for intent in INTENTS)]
    return frozenset(normal(phrasing) for phrasings in sets for phrasing in phrasings.held_out)


HELD_OUT: Final = _held_out()
_MAKERS: Final[dict[Skill, Callable[[random.Random, Split], Turn]]] = {
    "greetings": _greeting,
    "addition": _addition,
    "subtraction": _subtraction,
    "capitals": _capital,
    "unknown": _unknown,
}
