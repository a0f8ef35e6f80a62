"""Makes questions the model is not to answer: near misses of what it knows, many subjects, and plain nonsense."""

from __future__ import annotations

import random
from collections.abc import Callable

from frameworkctl_demo.training.words.augment import fill
from frameworkctl_demo.training.words.capital_phrasings import CAPITAL
from frameworkctl_demo.training.words.facts import CAPITALS, COUNTRIES, COUNTRY_NAMES
from frameworkctl_demo.training.words.split import Split, words
from frameworkctl_demo.training.words.unknown_topics import (
    COUNTRY_TEMPLATES,
    MATH_TEMPLATES,
    PLACES,
    QUESTIONS,
    TOPIC_TEMPLATES,
    TOPICS,
)

_SYLLABLES = words(
    "ba bel bo cor da del do dra el fa fen gar gol ha hin in jo ka kel lan lo ma mir mo na nor ol or pa per qui ra ren "
    "ri sa sel shi ta tor tri ul va vel vo wa xan yor za zel zu land stan ia dor ville burg sk ov ette"
)
_OPENERS = words(
    "what who when where why how which is are do does did can could should would will has have was were if tell "
    "explain describe write give show make find list name say read send buy compare"
)
_MIDDLES = words(
    "the a my your his our some every each old new best first last big small red blue fast slow cheap famous "
    "strange in on at for with without about from under after before than and or not very most people they it we "
    "you I me this that"
)
_NOUNS = words(
    "river mountain city king queen war book film song machine engine phone server file code table window door street "
    "bird fish horse tree flower garden kitchen cake soup milk doctor teacher student lawyer soldier ship train plane "
    "game ball team player score music color number letter word sentence page paper story law court tax bank price "
    "market job office boss school class test science theory planet star light water fire wind ice metal stone body "
    "bone hand eye cell disease medicine history future past year day night summer winter holiday island forest"
)
_VERBS = words(
    "grow build break open close move run walk fly swim eat drink cook clean wash paint draw sing play win lose learn "
    "study teach explain remember forget believe change stop start work travel sleep live die fight help hurt kill "
    "cost weigh measure melt burn freeze fall rise shine invent discover create destroy print save delete install"
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 .,;:!?-_()[]{}<>/\\|@#$&*'\"~`^=+éüñçßøλπдяш中日国語한글عש😀🎉→€"

_REAL_NAMES = frozenset(name for names in COUNTRY_NAMES.values() for name in names)


def invented_word(rng: random.Random) -> str:
    """Return an invented word, capitalised half of the time as a name would be."""
    word = "".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(2, 4)))
    return word.capitalize() if rng.random() < 0.6 else word


def unknown_question(rng: random.Random, split: Split) -> tuple[str, str]:
    """Return one question and the phrasing it was made from; slots are filled, the dress is still plain."""
    makers = _MAKERS if split == "train" else _MAKERS[:5]
    make = rng.choices([maker for maker, _ in makers], [weight for _, weight in makers])[0]
    return make(rng, split)


def _topic(rng: random.Random, split: Split) -> tuple[str, str]:
    phrasing = rng.choice(TOPIC_TEMPLATES.of(split))
    subjects = TOPICS.of(split)
    topic = invented_word(rng) if rng.random() < 0.15 else rng.choice(subjects)
    return fill(phrasing, {"topic": topic, "topic2": rng.choice(subjects)}), phrasing


def _question(rng: random.Random, split: Split) -> tuple[str, str]:
    phrasing = rng.choice(QUESTIONS.of(split))
    return phrasing, phrasing


def _country(rng: random.Random, split: Split) -> tuple[str, str]:
    phrasing = rng.choice(COUNTRY_TEMPLATES.of(split))
    country = rng.choice(COUNTRIES)
    return fill(phrasing, {"country": rng.choice(COUNTRY_NAMES[country]), "capital": CAPITALS[country]}), phrasing


def _place(rng: random.Random, split: Split) -> tuple[str, str]:
    # Only the place is new here: the ways to ask are the trained ones, or "unknown" would leak the held-out ways.
    phrasing = rng.choice(CAPITAL.train)
    draw = rng.random()
    if draw < 0.3:
        place = invented_word(rng).capitalize()
    else:
        place = _blend(rng) if draw < 0.6 else rng.choice(PLACES.of(split))
    return fill(phrasing, {"country": place}), phrasing


def _blend(rng: random.Random) -> str:
    """Return a name that only looks like a country: the front of one and the back of another."""
    while True:
        front, back = (rng.choice(COUNTRIES).removeprefix("the ") for _ in range(2))
        name = front[: rng.randint(2, max(2, len(front) - 2))] + back[rng.randint(1, max(1, len(back) - 2)) :]
        if name not in _REAL_NAMES:
            return name


def _math(rng: random.Random, split: Split) -> tuple[str, str]:
    phrasing = rng.choice(MATH_TEMPLATES.of(split))
    slots = {"a": rng.randint(1, 99), "b": rng.randint(1, 99), "c": rng.randint(10, 99)}
    return fill(phrasing, slots), phrasing


def _word_salad(rng: random.Random, split: Split) -> tuple[str, str]:
    words = [rng.choice(_OPENERS)]
    for _ in range(rng.randint(1, 4)):
        if rng.random() < 0.6:
            words.append(rng.choice(_MIDDLES))
        draw = rng.random()
        words.append(invented_word(rng) if draw < 0.15 else rng.choice(_NOUNS if draw < 0.65 else _VERBS))
        if rng.random() < 0.15:
            words.append(rng.choice(("s", "ing", "ed", "er")).join((words.pop(), "")))
    text = " ".join(words) + rng.choice(("?", "?", "", "."))
    return text, text


def _noise(rng: random.Random, split: Split) -> tuple[str, str]:
    draw = rng.random()
    if draw < 0.3:
        text = " ".join(invented_word(rng) for _ in range(rng.randint(1, 5)))
    elif draw < 0.6:
        text = "".join(rng.choice(_LETTERS) for _ in range(rng.randint(1, 40))).strip() or "?"
    elif draw < 0.8:
        # Any code point: its bytes are all in the vocabulary, and each should have been seen at least now and then.
        text = "".join(chr(rng.choice((rng.randint(161, 0x2FFF), rng.randint(0x3040, 0xD7FF)))) for _ in range(8))
    else:
        text = str(rng.randint(100, 10 ** rng.randint(3, 9)))
    return text, text


_MAKERS: tuple[tuple[Callable[[random.Random, Split], tuple[str, str]], int], ...] = (
    (_topic, 28),
    (_question, 22),
    (_country, 11),
    (_place, 9),
    (_math, 13),
    (_word_salad, 13),
    (_noise, 5),
)
