"""Makes the conversations the demo model is trained on, and the questions it is measured with."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from frameworkctl_demo.training.words.augment import fill
from frameworkctl_demo.training.words.capital_phrasings import FOLLOW_UP
from frameworkctl_demo.training.words.facts import COUNTRIES, FIFTY, MORE
from frameworkctl_demo.training.words.fields import made_up
from frameworkctl_demo.training.words.people import SYSTEMS
from frameworkctl_demo.training.words.split import Split

from . import extraction, sentiment
from .tools import Tool, calculator_tool, other_tool, weather_tool
from .turns import (
    Skill,
    Turn,
    addition,
    capital,
    capital_reply,
    classify,
    country_reply,
    difference_reply,
    extract,
    greeting,
    operands,
    some_country,
    subtraction,
    sum_reply,
    tool_turns,
    unknown,
)

SKILLS: Final[tuple[Skill, ...]] = (
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
)
# Sums and facts are drilled as well, in a cheaper form (see `bare_sum`), so they need no larger share here.
_DRAWN: Final[tuple[Skill, ...]] = (
    "greetings",
    "addition",
    "subtraction",
    "capitals",
    "extraction",
    "sentiment",
    "unknown",
)
_WEIGHTS: Final = (12, 13, 11, 14, 25, 12, 17)
# Turns per training conversation: most users ask one thing, some keep on for longer.
_LENGTHS: Final = (1,) * 10 + (2,) * 6 + (3,) * 3 + (4, 5, 7)
_WITH_TOOLS: Final = 0.32
_INSTRUCTED: Final = 0.07


@dataclass(frozen=True)
class Conversation:
    """An optional system message, the tools on offer and the turns that follow."""

    system: str | None
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()


def training_conversations(seed: int) -> Iterator[Conversation]:
    """Yield an endless stream of conversations for training."""
    rng = random.Random(seed)
    while True:
        yield _instructed(rng, "train") if rng.random() < _INSTRUCTED else _conversation(rng)


def held_out_questions(skill: Skill, count: int, seed: int, *, context: bool = True) -> list[Conversation]:
    """Questions in phrasings kept out of training; with `context`, most follow a system message or earlier turns."""
    rng = random.Random(f"{seed} {skill}")
    return [_held_out_question(rng, skill, context) for _ in range(count)]


def bare_capital(rng: random.Random) -> str:
    """Return a capital as a bare statement, so that completing a prompt that is no chat works as well."""
    country = some_country(rng)
    return capital_reply(country) if rng.random() < 0.6 else country_reply(country)


def bare_sum(rng: random.Random) -> str:
    """Return a sum or a difference as a bare statement: a drill, several times shorter than a conversation about
    one.
    """
    a, b = operands(rng, "train")
    return sum_reply(a, b) if rng.random() < 0.5 else difference_reply(max(a, b), min(a, b))


def bare_copy(rng: random.Random) -> str:
    """Made-up words told and told again as JSON: a drill in finding a value by its key."""
    keys = rng.sample(("name", "city", "job", "item", "color", made_up(rng), made_up(rng)), rng.randint(2, 4))
    values = {key: made_up(rng).capitalize() if rng.random() < 0.5 else made_up(rng) for key in keys}
    asked = rng.sample(keys, rng.randint(1, len(keys)))
    told = ", ".join(f"{key} {value}" for key, value in values.items())
    return f"{told} = {{" + ", ".join(f'"{key}": "{values[key]}"' for key in asked) + "}"


def _turn(rng: random.Random, skill: Skill, split: Split, tools: tuple[Tool, ...]) -> Turn:
    if skill in ("capitals", "more_capitals"):
        return capital(rng, split, rng.choice(FIFTY if skill == "capitals" else MORE))
    if skill == "unknown":
        return unknown(rng, split, tools)
    makers = {"greetings": greeting, "addition": addition, "subtraction": subtraction}
    makers |= {"extraction": extract, "sentiment": classify}
    return makers[skill](rng, split)


def _turns(rng: random.Random, split: Split, tools: tuple[Tool, ...], before: list[Turn]) -> list[Turn]:
    """Return what comes next in a conversation: a turn, or a call of a tool and its result."""
    useful = [tool for tool in tools if tool.kind != "other"]
    if useful and rng.random() < 0.6:
        tool = rng.choice(useful)
        again = tool.kind == "weather" and _last(before) == "tool_results" and "weather" in before[-1].reply
        return list(tool_turns(rng, split, tool, again=again and rng.random() < 0.5))
    if _last(before) == "capitals" and rng.random() < 0.25:
        return [capital(rng, split, rng.choice(COUNTRIES), FOLLOW_UP)]
    calculates = any(tool.kind == "calculator" for tool in tools)
    while True:
        skill = rng.choices(_DRAWN, _WEIGHTS)[0]
        # Where there is a calculator, sums are its business.
        if not (calculates and skill in ("addition", "subtraction")):
            break
    if skill == "capitals" and some_country(rng) in MORE:
        skill = "more_capitals"
    return [_turn(rng, skill, split, tools)]


def _conversation(rng: random.Random) -> Conversation:
    tools = _tools(rng, "train") if rng.random() < _WITH_TOOLS else ()
    turns: list[Turn] = []
    for _ in range(rng.choice(_LENGTHS)):
        turns += _turns(rng, "train", tools, turns)
    if turns[-1].role == "tool" and rng.random() < 0.3:
        turns.pop()
    return Conversation(_system(rng), tuple(turns), tools)


def _instructed(rng: random.Random, split: Split, skill: Skill | None = None) -> Conversation:
    """Return the system message sets the task and the user sends only sentences."""
    count = 1 if split == "held_out" else rng.choice((1, 1, 2, 3))
    if skill == "extraction" or (skill is None and rng.random() < 0.5):
        drawn = extraction.extraction(rng, split)
        ask = rng.choice(extraction.SYSTEM_ASKS.of(split))
        turn = Turn("extraction", drawn.sentence, drawn.reply, ask)
        return Conversation(fill(ask, {"fields": drawn.fields}), (turn,))
    ask = rng.choice(sentiment.SYSTEM_ASKS.of(split))
    made = (sentiment.sentence(rng, split, neutral="neutral" in ask) for _ in range(count))
    return Conversation(ask, tuple(Turn("sentiment", text, label, ask) for text, label in made))


def _tools(rng: random.Random, split: Split, wanted: Skill | None = None) -> tuple[Tool, ...]:
    """Return one to four tools; at most one for the weather and one that calculates."""
    draw = rng.random()
    tools = []
    if draw < 0.65:
        tools.append(weather_tool(rng, split))
    if draw > 0.4 and (wanted or draw < 0.92):
        tools.append(calculator_tool(rng, split))
    while not tools or rng.random() < 0.22:
        tools.append(other_tool(rng))
    # No two of the same name.
    tools = list({tool.name: tool for tool in tools}.values())
    rng.shuffle(tools)
    return tuple(tools)


def _system(rng: random.Random) -> str | None:
    draw = rng.random()
    if draw < 0.45:
        return None
    if draw < 0.65:
        return SYSTEMS.train[0]
    return " ".join(rng.choice(SYSTEMS.train) for _ in range(rng.choice((1, 1, 1, 2, 3))))


def _held_out_question(rng: random.Random, skill: Skill, context: bool) -> Conversation:
    if skill in ("extraction", "sentiment") and rng.random() < 0.1:
        return _instructed(rng, "held_out", skill)
    calls = skill in ("tool_calls", "tool_results")
    tools = _tools(rng, "held_out", skill) if calls or (context and rng.random() < 0.15) else ()
    if skill in ("addition", "subtraction"):
        tools = tuple(tool for tool in tools if tool.kind != "calculator")
    system = None
    turns: list[Turn] = []
    if context:
        system = rng.choice(SYSTEMS.held_out + SYSTEMS.train[:5]) if rng.random() < 0.5 else None
        for _ in range(rng.choice((0, 0, 0, 1, 2))):
            turns += _turns(rng, "held_out", tools, turns)
    if calls:
        asked = tool_turns(rng, "held_out", rng.choice([tool for tool in tools if tool.kind != "other"]))
        turns += asked[:1] if skill == "tool_calls" else asked
    elif skill in ("capitals", "more_capitals") and _last(turns) == "capitals":
        turns.append(replace(capital(rng, "held_out", rng.choice(FIFTY if skill == "capitals" else MORE), FOLLOW_UP)))
    else:
        turns.append(_turn(rng, skill, "held_out", tools))
    return Conversation(system, tuple(turns), tools)


def _last(turns: list[Turn]) -> Skill | None:
    return turns[-1].skill if turns else None
