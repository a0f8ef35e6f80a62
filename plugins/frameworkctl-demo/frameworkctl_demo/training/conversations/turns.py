"""Makes single turns of a conversation: one thing said to the model and the one right reply."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, Literal

from frameworkctl_demo.training.words import unknown_topics as topics
from frameworkctl_demo.training.words.augment import dress_up, fill, normal, set_case
from frameworkctl_demo.training.words.capital_phrasings import CAPITAL, COUNTRY_OF, FOLLOW_UP
from frameworkctl_demo.training.words.facts import CAPITALS, COUNTRY_NAMES, FIFTY, MORE, spell
from frameworkctl_demo.training.words.people import NAMES
from frameworkctl_demo.training.words.split import Phrasings, Split
from frameworkctl_demo.training.words.sum_phrasings import ADDITION, SUBTRACTION, THINGS
from frameworkctl_demo.training.words.tool_phrasings import WEATHER, WEATHER_AGAIN

from . import extraction, sentiment
from .smalltalk import INTENTS, remark
from .tools import Call, Tool, calculation, result_of, weather_call
from .unknown import unknown_question

Skill = Literal[
    "greetings",
    "addition",
    "subtraction",
    "capitals",
    "more_capitals",
    "extraction",
    "sentiment",
    "tool_calls",
    "tool_results",
    "unknown",
]
DO_NOT_KNOW: Final = "I am a small demo model and do not know that."
# Largest operands: small numbers are what people try, so training sees more of them; measuring draws evenly.
_LIMITS: Final = ((99, 99), (99, 99), (99, 20), (20, 20), (20, 20), (9, 9))
_WEATHER_WORDS: Final = ("weather", "forecast", "rain", "snow", "temperature", "umbrella", "hot is it", "coat", "sunny")


@dataclass(frozen=True)
class Turn:
    """One thing said to the model and the one right reply, and the phrasing it was made from (what is split)."""

    skill: Skill
    said: str
    reply: str
    phrasing: str
    role: Literal["user", "tool"] = "user"


def is_held_out_pair(a: int, b: int) -> bool:
    """Return whether a pair of operands, in either order, is never trained on: one in twenty of those with a large
    operand.
    """
    low, high = min(a, b), max(a, b)
    # Small numbers are what people try first, so all of their pairs are trained.
    return high > 20 and (low * 100 + high) * 2654435761 % 2**32 < 2**32 // 20


def operands(rng: random.Random, split: Split) -> tuple[int, int]:
    """Return two numbers of the split, in any order."""
    while True:
        limits = rng.choice(_LIMITS) if split == "train" else _LIMITS[0]
        pair = rng.randint(0, limits[0]), rng.randint(0, limits[1])
        if is_held_out_pair(*pair) == (split == "held_out"):
            return pair if rng.random() < 0.5 else (pair[1], pair[0])


def sum_reply(a: int, b: int) -> str:
    """Repeats the operands first: copying them next to each other takes the phrasing out of the arithmetic."""
    return f"{a} + {b} = {a + b}."


def difference_reply(a: int, b: int) -> str:
    """Like `sum_reply`."""
    return f"{a} - {b} = {a - b}."


def capital_reply(country: str) -> str:
    """Return the sentence about a country."""
    return f"The capital of {country} is {CAPITALS[country].removesuffix('.')}."


def country_reply(country: str) -> str:
    """Return the same sentence the other way round."""
    return f"{CAPITALS[country]} is the capital of {country}."


def some_country(rng: random.Random) -> str:
    """Return a country; the fifty best known come more often."""
    return rng.choice(FIFTY if rng.random() < 0.65 else MORE)


def addition(rng: random.Random, split: Split) -> Turn:
    """Return a sum."""
    a, b = operands(rng, split)
    phrasing = rng.choice(ADDITION.of(split))
    slots = _arithmetic_slots(rng, split, a, b)
    # The reply keeps the order in which the question names the numbers.
    if phrasing.find("{b}") < phrasing.find("{a}"):
        a, b = b, a
    return Turn("addition", _dressed(rng, phrasing, slots, split), sum_reply(a, b), phrasing)


def subtraction(rng: random.Random, split: Split) -> Turn:
    """Return a difference; of small numbers it may be below zero."""
    a, b = sorted(operands(rng, split), reverse=True)
    phrasing = rng.choice(SUBTRACTION.of(split))
    if a <= 20 and (" - " in phrasing or "minus" in phrasing) and rng.random() < 0.25:
        a, b = b, a
    slots = _arithmetic_slots(rng, split, a, b)
    return Turn("subtraction", _dressed(rng, phrasing, slots, split), difference_reply(a, b), phrasing)


def capital(rng: random.Random, split: Split, country: str, phrasings: Phrasings = CAPITAL) -> Turn:
    """Return the capital of a country, or now and then the country of a capital."""
    skill: Skill = "capitals" if country in FIFTY else "more_capitals"
    if phrasings is CAPITAL and rng.random() < 0.2:
        phrasing = rng.choice(COUNTRY_OF.of(split))
        return Turn(
            skill, _dressed(rng, phrasing, {"capital": CAPITALS[country]}, split), country_reply(country), phrasing
        )
    phrasing = rng.choice(phrasings.of(split))
    names: dict[str, object] = {"country": rng.choice(COUNTRY_NAMES[country])}
    return Turn(skill, _dressed(rng, phrasing, names, split, phrasings is CAPITAL), capital_reply(country), phrasing)


def greeting(rng: random.Random, split: Split) -> Turn:
    """Small talk."""
    while True:
        drawn = remark(rng, split)
        # Choices and chains may by chance spell a phrasing that is kept out.
        if split == "held_out" or normal(drawn.text) not in HELD_OUT:
            text = _dressed(rng, drawn.text, {"name": rng.choice(NAMES.of(split))}, split, question=False)
            return Turn("greetings", text, drawn.reply, drawn.text)


def extract(rng: random.Random, split: Split) -> Turn:
    """Return the fields of a sentence as JSON."""
    text, reply, phrasing, _ = extraction.question(rng, split)
    return Turn("extraction", text, reply, phrasing)


def classify(rng: random.Random, split: Split) -> Turn:
    """Return the sentiment of a sentence."""
    return Turn("sentiment", *sentiment.question(rng, split))


def unknown(rng: random.Random, split: Split, tools: tuple[Tool, ...] = ()) -> Turn:
    """Something the model does not know and that none of the tools is for."""
    while True:
        if split == "train" and rng.random() < 0.06:
            text = phrasing = fill(rng.choice(WEATHER.train), {"city": rng.choice(list(CAPITALS.values()))})
        else:
            text, phrasing = unknown_question(rng, split)
        if any(_may_be_for(tool, text) for tool in tools):
            continue
        # Random words may by chance spell a phrasing that is kept out.
        if split == "held_out" or normal(phrasing) not in HELD_OUT:
            return Turn("unknown", _dressed(rng, text, {}, split), DO_NOT_KNOW, phrasing)


def tool_turns(rng: random.Random, split: Split, tool: Tool, *, again: bool = False) -> tuple[Turn, Turn]:
    """Return a question that the tool is for, with the call, and the tool's result, with the answer in words.

    `again` asks for the weather in the short way that only makes sense after such a question.
    """
    call: Call
    if tool.kind == "weather":
        call = weather_call(rng, split, tool, WEATHER_AGAIN if again else WEATHER)
    else:
        call = calculation(rng, split, tool)
    result, answer = result_of(rng, call, tool)
    return (
        Turn("tool_calls", call.question, call.reply, call.phrasing),
        Turn("tool_results", result, answer, call.phrasing, role="tool"),
    )


def _may_be_for(tool: Tool, text: str) -> bool:
    if tool.kind == "weather":
        return any(word in text.lower() for word in _WEATHER_WORDS)
    return tool.kind == "calculator" and any(character.isdigit() for character in text)


def _arithmetic_slots(rng: random.Random, split: Split, a: int, b: int) -> dict[str, object]:
    spelled = rng.random() < 0.1
    # A name for each of the two people that a story may have.
    one, two = rng.sample(NAMES.of(split), 2)
    numbers = {"a": spell(a), "b": spell(b)} if spelled else {"a": a, "b": b}
    return {**numbers, "things": rng.choice(THINGS.of(split)), "one": one, "two": two}


def _dressed(rng: random.Random, phrasing: str, slots: dict[str, object], split: Split, question: bool = True) -> str:
    return set_case(fill(dress_up(phrasing, rng, question=question, slips=split == "train"), slots), rng)


def _held_out() -> frozenset[str]:
    sets = [ADDITION, SUBTRACTION, CAPITAL, COUNTRY_OF, FOLLOW_UP, topics.QUESTIONS, topics.TOPIC_TEMPLATES]
    sets += [topics.COUNTRY_TEMPLATES, topics.MATH_TEMPLATES, *(intent.phrasings for intent in INTENTS)]
    return frozenset(normal(phrasing) for phrasings in sets for phrasing in phrasings.held_out)


HELD_OUT: Final = _held_out()
