"""Makes questions with documents of which one answers, for the reranker: words alone do not tell which."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from frameworkctl_demo.training.words.augment import dress_up, fill
from frameworkctl_demo.training.words.facts import CAPITALS, COUNTRIES
from frameworkctl_demo.training.words.fields import FIELDS, city, made_up, person
from frameworkctl_demo.training.words.people import NAMES
from frameworkctl_demo.training.words.split import Phrasings, Split, bars, words

from .pair_facts import FACTS
from .pair_goods import GOODS
from .pair_help import HELP
from .pair_more import MORE_WORDS

_HELD_OUT_COUNTRIES = COUNTRIES[3::6]
_COUNTRIES = Phrasings(tuple(name for name in COUNTRIES if name not in _HELD_OUT_COUNTRIES), _HELD_OUT_COUNTRIES)
_PRODUCTS = Phrasings(
    words("phone laptop camera watch lamp bike radio tablet printer kettle drill mixer speaker keyboard oven tent"),
    words("scooter headset toaster monitor drone vacuum"),
)
_PLACES = Phrasings(
    words("Museum Zoo Theatre Park Castle Library Tower Market Palace Stadium"),
    words("Aquarium Gallery Cathedral Opera"),
)
_FIRMS = Phrasings(words("Inc Corp Labs Group Bank Foods Motors Systems Works"), words("Industries Partners Ltd"))
_TITLES = Phrasings(
    bars(
        """The {a} {b} | {a} {b}s | The {b} of {name} | A {b} in {name} | {name} and the {b} | The Last {b} |
        Under the {b} | The {b} | My {a} {b}"""
    ),
    bars("The {b} at {name} | Return of the {b} | {name}'s {a} {b}"),
)
_ADJECTIVES = Phrasings(
    words("Silent Red Golden Lost Broken Long Winter Hidden Empty Blue"), words("Secret Wild Distant")
)
_NOUNS = Phrasings(words("River House Garden Road Clock Letter Island Night Door Song"), words("Bridge Mirror Forest"))

_COINS = words("dollar euro franc peso crown pound dinar rupee krona lira yen won rand real")
_LANGUAGES = words(
    "English French Spanish German Arabic Portuguese Russian Chinese Hindi Italian Dutch Turkish Greek Polish Swahili"
)
_DISHES = bars(
    """rice with beans | grilled fish | potato soup | roast lamb | fried noodles | cabbage rolls | meat pies |
    corn bread | goat stew | dumplings | pickled herring | lentil curry | stuffed peppers | onion tart"""
)
_WARES = bars(
    """solar panels | shoes | toys | bread | bicycles | insurance | kitchen knives | medical tools | maps | furniture |
    paint | tractors | tea | software for schools | carpets | glass bottles | old coins | a treasure"""
)
_SUBJECTS = words(
    "law medicine history physics biology economics chemistry music philosophy mathematics engineering art"
)
_MONTHS = words("January February March April May June July August September October November December")
_DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
_DOCUMENTS = 6


@dataclass(frozen=True)
class Fact:
    """One thing that can be told of one kind of subject, and asked for."""

    kind: str
    name: str
    ask: Phrasings
    tell: Phrasings
    near: Phrasings


@dataclass(frozen=True)
class Document:
    """A text of one or a few sentences; `tells` is the fact it is about, None where it only has the words of one."""

    text: str
    tells: Fact | None
    same_subject: bool  # as the question it was made for


@dataclass(frozen=True)
class Group:
    """A question and documents, of which the one at `right` answers it."""

    query: str
    documents: tuple[Document, ...]
    right: int
    fact: Fact


def read_facts(text: str) -> tuple[Fact, ...]:
    """Return the blocks of a text as in `pair_facts`, with what `pair_more` adds to them."""
    extra = {head: _parts(rest)[1] for head, *rest in map(str.splitlines, MORE_WORDS.strip().split("\n\n"))}
    found = []
    for block in text.strip().split("\n\n"):
        head, *rest = block.splitlines()
        marks, said = _parts(rest)
        if marks != "?&!&~&":
            raise ValueError(f"{head}: the parts are {marks}")
        more = extra.get(head, ((), (), ()))
        trained = [(*own, *others) for own, others in zip(said[::2], more, strict=True)]
        kind, name = head.split()
        found.append(Fact(kind, name, *(Phrasings(*both) for both in zip(trained, said[1::2], strict=True))))
    return tuple(found)


def _parts(block: list[str]) -> tuple[str, list[tuple[str, ...]]]:
    """Return the marks of a block in order, and the phrasings behind each."""
    parts: list[tuple[str, list[str]]] = []
    for line in block:
        if line[:2] in ("? ", "! ", "~ ", "& "):
            parts.append((line[0], []))
        parts[-1][1].append(line.removeprefix(f"{parts[-1][0]} "))
    return "".join(mark for mark, _ in parts), [bars("\n".join(lines)) for _, lines in parts]


ALL_FACTS = tuple(fact for text in (FACTS, GOODS, HELP) for fact in read_facts(text))
KINDS = tuple(dict.fromkeys(fact.kind for fact in ALL_FACTS))
_BY_KIND = {kind: tuple(fact for fact in ALL_FACTS if fact.kind == kind) for kind in KINDS}


def group(rng: random.Random, split: Split, documents: int = _DOCUMENTS) -> Group:
    """Return a question with one document that answers it and others like it, in any order."""
    fact = rng.choice(ALL_FACTS)
    subject = _subject(fact.kind, rng, split)
    asked = rng.choice(fact.ask.of(split))
    if split == "train" and rng.random() < 0.4:
        asked = dress_up(_thin(asked, rng), rng, question=True, slips=rng.random() < 0.5)
    makers: list[Callable[[random.Random, Split], Document]] = [partial(_near, fact, subject)]
    if fact.kind != "help":
        makers += [
            partial(_other_fact, fact, subject),
            partial(_other_fact, fact, subject),
            partial(_of_another, _answer, fact, subject),
            partial(_of_another, _answer, fact, subject),
            partial(_of_another, _near, fact, subject),
        ]
    makers += [partial(_any, fact)] * max(1, documents - 1 - len(makers))
    right = _answer(fact, subject, rng, split)
    made = [right, *(make(rng, split) for make in rng.sample(makers, documents - 1))]
    rng.shuffle(made)
    query = fill(asked, {"e": subject, **_values(subject, rng, split)})
    return Group(query, tuple(made), made.index(right), fact)


def held_out_groups(count: int, seed: int, documents: int = 10) -> list[Group]:
    """Questions about what was never trained on, worded as was never trained on."""
    rng = random.Random(f"held out pairs {seed}")
    return [group(rng, "held_out", documents) for _ in range(count)]


def taught_groups(count: int, seed: int, documents: int = 10) -> list[Group]:
    """Questions worded as in training, about other things: most names and numbers are drawn anew."""
    rng = random.Random(f"taught pairs {seed}")
    return [group(rng, "train", documents) for _ in range(count)]


def statement(rng: random.Random, split: Split) -> str:
    """Return a sentence without an opinion: one that tells a fact, or only has the words of one, or asks for it."""
    fact = rng.choice([fact for fact in ALL_FACTS if fact.kind != "help"])
    said = rng.choice((fact.tell, fact.tell, fact.near, fact.ask)).of(split)
    return _sentence(rng.choice(said), _subject(fact.kind, rng, split), rng, split)


def _answer(fact: Fact, subject: str, rng: random.Random, split: Split) -> Document:
    return Document(_among_others(rng.choice(fact.tell.of(split)), fact, subject, rng, split), fact, True)


def _near(fact: Fact, subject: str, rng: random.Random, split: Split) -> Document:
    return Document(_among_others(rng.choice(fact.near.of(split)), fact, subject, rng, split), None, True)


def _other_fact(fact: Fact, subject: str, rng: random.Random, split: Split) -> Document:
    other = rng.choice([other for other in _BY_KIND[fact.kind] if other is not fact])
    return Document(_among_others(rng.choice(other.tell.of(split)), fact, subject, rng, split), other, True)


def _of_another(
    make: Callable[[Fact, str, random.Random, Split], Document],
    fact: Fact,
    subject: str,
    rng: random.Random,
    split: Split,
) -> Document:
    """Return the same of another subject."""
    made = make(fact, _other_subject(fact.kind, subject, rng, split), rng, split)
    return replace(made, same_subject=False)


def _any(fact: Fact, rng: random.Random, split: Split) -> Document:
    """Return a document that has nothing to do with the question, or of a help page little."""
    same = fact.kind == "help" and rng.random() < 0.8
    other = rng.choice([other for other in (_BY_KIND["help"] if same else ALL_FACTS) if other is not fact])
    near = rng.random() < 0.3
    said = rng.choice((other.near if near else other.tell).of(split))
    return Document(_sentence(said, _subject(other.kind, rng, split), rng, split), None if near else other, False)


def _among_others(said: str, fact: Fact, subject: str, rng: random.Random, split: Split) -> str:
    """Return the sentence alone, or beside others that tell other facts of the same subject, if it is one with a
    name.
    """
    sentences = [said]
    if fact.kind != "help":
        others = [other for other in _BY_KIND[fact.kind] if other is not fact]
        for other in rng.sample(others, rng.choice((0, 0, 0, 1, 1, 2))):
            sentences.append(rng.choice((other.near if rng.random() < 0.3 else other.tell).of(split)))
        rng.shuffle(sentences)
    if split == "train" and rng.random() < 0.2:
        sentences = [_thin(sentence, rng) for sentence in sentences]
    return " ".join(_sentence(sentence, subject, rng, split) for sentence in sentences)


def _thin(said: str, rng: random.Random) -> str:
    """Drop a word here and there, so that no single word is needed."""
    return " ".join(word for word in said.split() if "{" in word or rng.random() < 0.88)


def _sentence(said: str, subject: str, rng: random.Random, split: Split) -> str:
    text = fill(said, {"e": subject, **_values(subject, rng, split)})
    return text[:1].upper() + text[1:]


def _subject(kind: str, rng: random.Random, split: Split) -> str:
    name = made_up(rng).capitalize()
    match kind:
        case "country":
            return (
                rng.choice(_COUNTRIES.of(split))
                if rng.random() < 0.6
                else name + rng.choice(("ia", "land", "stan", ""))
            )
        case "person":
            return person(rng, split)
        case "product":
            model = rng.choice(
                (name, f"{name} {rng.randint(2, 99)}", f"{name} {rng.choice('ABCKSTXZ')}{rng.randint(1, 99)}")
            )
            return rng.choice((f"the {model} {rng.choice(_PRODUCTS.of(split))}", f"the {model}"))
        case "company":
            return name if rng.random() < 0.4 else f"{name} {rng.choice(_FIRMS.of(split))}"
        case "book":
            slots = {"a": rng.choice(_ADJECTIVES.of(split)), "b": rng.choice(_NOUNS.of(split)), "name": name}
            title = fill(rng.choice(_TITLES.of(split)), slots)
            return f'"{title}"' if rng.random() < 0.5 else title
        case "place":
            return f"the {name if rng.random() < 0.6 else city(rng, split)} {rng.choice(_PLACES.of(split))}"
    return ""


def _other_subject(kind: str, subject: str, rng: random.Random, split: Split) -> str:
    """Another of the same kind, now and then one that shares a word with it."""
    if kind == "person" and rng.random() < 0.3:
        return f"{subject.split()[0]} {made_up(rng).capitalize()}"
    if kind in ("product", "place") and rng.random() < 0.4:
        return f"the {made_up(rng).capitalize()} {subject.split()[-1]}"
    while True:
        other = _subject(kind, rng, split)
        if other != subject:
            return other


def _values(subject: str, rng: random.Random, split: Split) -> dict[str, object]:
    """Something for every slot but the subject."""
    capital = CAPITALS.get(subject, "")
    colours = rng.sample(words("red blue green black white yellow grey pink silver brown"), 2)
    places = rng.sample(COUNTRIES, 2)
    open_at = rng.randint(7, 11)
    return {
        "city": capital if capital and rng.random() < 0.8 else city(rng, split),
        "year": rng.randint(1700, 2024),
        "month": rng.choice(_MONTHS),
        "day": rng.randint(1, 28),
        "weekday": rng.choice(_DAYS),
        "clock": rng.choice((f"{open_at} am", f"{open_at}:30", f"{open_at} o'clock")),
        "clock2": rng.choice((f"{open_at - 4} pm", f"{open_at + 8}:00")),
        "hours": rng.randint(3, 40),
        "few": rng.randint(2, 30),
        "number": rng.randint(80, 9000),
        "million": rng.randint(2, 300),
        "money": rng.randint(5, 2000),
        "age": rng.randint(18, 90),
        "coin": rng.choice(_COINS),
        "language": rng.choice(_LANGUAGES),
        "dish": rng.choice(_DISHES),
        "goods": rng.choice(_WARES),
        "subject": rng.choice(_SUBJECTS),
        "person": f"{rng.choice(NAMES.of(split))} {made_up(rng).capitalize()}",
        "job": FIELDS["job"].make(rng, split),
        "hobby": FIELDS["hobby"].make(rng, split),
        "firm": f"{made_up(rng).capitalize()} {rng.choice(_FIRMS.of(split))}",
        "colour": colours[0],
        "colour2": colours[1],
        "place": places[0],
        "place2": places[1],
    }
