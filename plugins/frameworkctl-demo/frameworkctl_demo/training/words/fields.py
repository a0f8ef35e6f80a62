"""The kinds of values that sentences hold for extraction: how each may be asked for, and random values of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from .people import CITIES, NAMES, SURNAMES
from .split import Split, bars, words

_START = words("b br c ch d dr f fl g gr h j k kl l m n p pr qu r s sh st t tr v w x y z")
_VOWEL = words("a e i o u a e i o ai ea io ou")
_END = words("n r s l m t k x nd rt sk ng th ll")


@dataclass(frozen=True)
class Field:
    """One kind of value: the keys it goes by, the first the usual one; numbers stand bare in JSON."""

    keys: tuple[str, ...]
    make: Callable[[random.Random, Split], str]
    number: bool = False


def made_up(rng: random.Random) -> str:
    """Return a small word that means nothing: what cannot be known has to be copied."""
    syllables = rng.choice((1, 2, 2, 3))
    text = "".join(rng.choice(_START) + rng.choice(_VOWEL) for _ in range(syllables))
    return text + (rng.choice(_END) if rng.random() < 0.6 else "")


def person(rng: random.Random, split: Split) -> str:
    """Return a first name or a whole one, real or made up."""
    first = made_up(rng).capitalize() if rng.random() < 0.3 else rng.choice(NAMES.of(split))
    if rng.random() < 0.7:
        return first
    last = made_up(rng).capitalize() if rng.random() < 0.4 else rng.choice(SURNAMES.of(split))
    return f"{first} {last}"


def city(rng: random.Random, split: Split) -> str:
    """Return a place to live in, real or made up, of one word or two."""
    draw = rng.random()
    if draw < 0.7:
        return rng.choice(CITIES.of(split))
    first = made_up(rng).capitalize()
    return first if draw < 0.92 else f"{rng.choice(('New', 'San', 'Port', 'Los', 'Saint'))} {first}"


def _of(*choices: str, invent: float = 0.15) -> Callable[[random.Random, Split], str]:
    def make(rng: random.Random, split: Split) -> str:
        return made_up(rng) if rng.random() < invent else rng.choice(choices)

    return make


def _range(low: int, high: int) -> Callable[[random.Random, Split], str]:
    return lambda rng, split: str(rng.randint(low, high))


def _price(rng: random.Random, split: Split) -> str:
    whole = rng.randint(1, 10 ** rng.randint(1, 4))
    return str(whole) if rng.random() < 0.7 else f"{whole}.{rng.randint(1, 99):02}"


def _email(rng: random.Random, split: Split) -> str:
    first = rng.choice(NAMES.of(split)).lower() if rng.random() < 0.6 else made_up(rng)
    last = rng.choice(("", "", f".{rng.choice(SURNAMES.of(split)).lower()}", str(rng.randint(1, 99))))
    host = rng.choice(("example", "mail", "test", "gmail", "work", made_up(rng)))
    return f"{first}{last}@{host}.{rng.choice(('com', 'org', 'net', 'de', 'io'))}"


def _phone(rng: random.Random, split: Split) -> str:
    digits = "".join(rng.choice("0123456789") for _ in range(4))
    form = rng.choice(("555-{d}", "{c}-555-{d}", "+{b} {c} {d}", "0{c} {d}", "{c}{d}"))
    return form.format(d=digits, c=rng.randint(100, 999), b=rng.randint(1, 99))


def _company(rng: random.Random, split: Split) -> str:
    real = words("Google Apple Microsoft Siemens Toyota Amazon Nokia Acme Sony Tesla Intel Bosch Samsung IBM Nestle")
    name = made_up(rng).capitalize() if rng.random() < 0.5 else rng.choice(real)
    return name + rng.choice(("", "", "", " Corp", " Bank", " Labs", " Inc"))


def _time(rng: random.Random, split: Split) -> str:
    hour, minute = rng.randint(1, 12), rng.choice(("00", "15", "30", "45", f"{rng.randint(1, 59):02}"))
    return rng.choice((f"{hour}:{minute}", f"{hour + 11}:{minute}", f"{hour} pm", f"{hour} am", f"{hour}:{minute} pm"))


def _date(rng: random.Random, split: Split) -> str:
    months = words("January February March April May June July August September October November December")
    day, month = rng.randint(1, 28), rng.choice(months)
    other = f"20{rng.randint(10, 30)}-{rng.randint(1, 12):02}-{day:02}"
    days = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
    return rng.choice((rng.choice(days), rng.choice(days), f"{month} {day}", f"{day} {month}", other))


FIELDS: dict[str, Field] = {
    "name": Field(("name", "name", "name", "person", "customer"), person),
    "age": Field(("age",), _range(1, 99), number=True),
    "city": Field(("city", "city", "city", "location", "place", "town"), city),
    "job": Field(
        ("job", "occupation", "profession", "role"),
        _of(
            *words(
                "teacher doctor nurse lawyer farmer pilot cook chef baker writer painter singer driver plumber "
                "engineer scientist student manager carpenter journalist dentist designer waiter programmer "
                "librarian mechanic gardener actor architect photographer electrician accountant musician"
            ),
            *bars("software engineer | police officer | data scientist | taxi driver | bus driver"),
        ),
    ),
    "company": Field(("company", "employer", "organization"), _company),
    "email": Field(("email", "email", "email address"), _email),
    "phone": Field(("phone", "phone number"), _phone),
    "date": Field(("date", "day"), _date),
    "time": Field(("time",), _time),
    "price": Field(("price", "price", "cost", "amount", "total"), _price, number=True),
    "quantity": Field(("quantity", "count", "number"), _range(2, 99), number=True),
    "item": Field(
        ("item", "product"),
        _of(
            *words(
                "apples pears books chairs lamps pens shirts shoes bikes tables eggs tickets phones cups bottles "
                "laptops cameras bananas oranges pizzas plants hats keyboards watches bags cookies pencils coffees"
            )
        ),
    ),
    "color": Field(
        ("color", "colour"), _of(*words("red blue green black white yellow brown grey pink purple orange silver"))
    ),
    "animal": Field(
        ("animal", "pet"), _of(*words("dog cat horse rabbit parrot hamster snake turtle cow goat goldfish mouse duck"))
    ),
    "origin": Field(("origin", "from", "departure"), city),
    "destination": Field(("destination", "to"), city),
    "title": Field(
        ("title", "book"), lambda rng, split: " ".join(made_up(rng).capitalize() for _ in range(rng.randint(1, 3)))
    ),
    "year": Field(("year",), _range(1800, 2030), number=True),
    "country": Field(
        ("country",),
        _of(
            *words(
                "France Germany Italy Spain Japan China India Brazil Canada Mexico Egypt Kenya Poland Sweden Norway"
            ),
            *bars("New Zealand | South Korea | the Netherlands | Portugal | Greece | Chile"),
            invent=0,
        ),
    ),
    "hobby": Field(
        ("hobby",), _of(*words("chess tennis football swimming painting reading cooking hiking dancing singing yoga"))
    ),
}
