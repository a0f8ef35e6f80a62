"""Makes questions that ask for the fields of a sentence as JSON."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from frameworkctl_demo.training.words.augment import fill
from frameworkctl_demo.training.words.fields import FIELDS
from frameworkctl_demo.training.words.split import Phrasings, Split, lines

SENTENCES = Phrasings(
    train=lines(
        """
        {name} is {age} years old.
        {name} is {age}.
        {name}, {age}, lives in {city}.
        {name} is {age} years old and lives in {city}.
        {name} is a {age}-year-old {job}.
        {name} is a {age} year old {job} from {city}.
        {name} is {age} and comes from {city}.
        {name} is from {city} and is {age} years old.
        {name} lives in {city}.
        {name} lives in {city} and works as a {job}.
        {name} lives in {city}, {country}.
        {name} works as a {job}.
        {name} is a {job}.
        {name} is a {job} in {city}.
        {name} is a {job} at {company}.
        {name} works at {company} as a {job}.
        {name} works for {company} in {city}.
        {name} is {age} years old and works at {company}.
        {name}, a {job} from {city}, is {age} years old.
        {name}, a {age}-year-old {job}, works at {company}.
        My name is {name} and I am {age} years old.
        My name is {name}, I am {age} and I live in {city}.
        I am {name}, {age} years old, from {city}.
        Hi, I'm {name} from {city} and I work as a {job}.
        I am {name}, a {job} from {city}.
        I am {name} and my email is {email}.
        Hello, I am {name}, I work at {company} in {city}.
        My friend {name} is {age} and works as a {job}.
        My sister {name} is {age} years old and likes {hobby}.
        {name} likes {hobby} and lives in {city}.
        {name} is {age} years old and his hobby is {hobby}.
        {name} was born in {year} in {city}.
        {name} was born in {city} in {year}.
        {name} can be reached at {email}.
        {name}'s email is {email} and the phone number is {phone}.
        Contact {name} at {email} or {phone}.
        Please call {name} at {phone}.
        You can write to {name} at {email}.
        {name}, phone {phone}, email {email}.
        {name} bought {quantity} {item} for {price} dollars.
        {name} bought {quantity} {item}.
        {name} ordered {quantity} {item} for ${price}.
        {name} ordered {quantity} {color} {item} on {date}.
        {name} paid {price} euros for {quantity} {item}.
        {name} sold {quantity} {item} in {city}.
        I bought {quantity} {item} for ${price}.
        I would like {quantity} {item}, to be delivered to {city}.
        We need {quantity} {item} by {date}.
        The {item} cost {price} dollars.
        The price of the {item} is ${price}.
        {quantity} {item} cost {price} euros.
        Order: {quantity} {item}, ${price}, {name}.
        Meeting with {name} on {date} at {time}.
        Meet {name} on {date} at {time} in {city}.
        The meeting with {name} is on {date} in {city}.
        Lunch with {name} at {time} on {date}.
        {name} has an appointment on {date} at {time}.
        The concert in {city} starts at {time} on {date}.
        The party is on {date} at {time}.
        Flight from {origin} to {destination} on {date}.
        The train from {origin} to {destination} leaves at {time}.
        {name} flies from {origin} to {destination} on {date}.
        {name} travels from {origin} to {destination} at {time}.
        The ticket from {origin} to {destination} costs {price} dollars.
        {name} has a {color} {animal}.
        {name} has a {animal} that is {age} years old.
        The {color} {animal} belongs to {name}.
        {name} wrote {title} in {year}.
        {title} was written by {name} in {year}.
        {name} moved to {city} in {year}.
        {name} joined {company} in {year}.
        {company} was founded by {name} in {year}.
        {company} is based in {city}.
        In {year}, {name} started to work as a {job} in {city}.
        {name} visited {city} on {date}.
        {name} comes from {country} and is {age} years old.
        {name} from {country} works as a {job}.
        Name: {name}, age: {age}, city: {city}
        Name: {name}; job: {job}; company: {company}
        name {name}, email {email}
        At {age}, {name} became a {job}.
        A {job} named {name} lives in {city}.
        There is a {age}-year-old {job} named {name} in {city}.
        In {city} lives {name}, who is {age} years old.
        My brother {name} is {age} years old.
        My neighbor {name} is a {job}.
        My boss {name} is {age} and lives in {city}.
        Our teacher {name} lives in {city}.
        Her friend {name} comes from {city}.
        The {job} {name} lives in {city}.
        Last week {name} bought {quantity} {item} for {price} dollars.
        Today {name} ordered {quantity} {item}.
        Tomorrow {name} travels from {origin} to {destination}.
        This morning {name} sold {quantity} {item} for ${price}.
        {name} keeps a {color} {animal}.
        {name} bought a {color} {animal}.
        {name} wants {quantity} {item} for {price} dollars.
        {name} would like to order {quantity} {item} for ${price}.
        {name} needs {quantity} {item} in {city}.
        {name} drives from {origin} to {destination} on {date}.
        {name} goes from {origin} to {destination}.
        Send a letter to {name} at {email}.
        Mail {name} at {email}.
        {name}, who lives in {city}, is a {job}.
        {name} is {age}, works as a {job} and lives in {city}.
        I'm {name}, {age} years old, and I live in {city}.
        My name is {name}, I come from {city}.
        My son is called {name} and is {age} years old.
        """
    ),
    held_out=lines(
        """
        {name} turned {age} and lives in {city}.
        {name} is {age} years old and comes from {city}.
        {name} is a {job} who lives in {city}.
        {name}, {age} years old, works as a {job}.
        {name} works as a {job} at {company} in {city}.
        My colleague {name} is {age} years old.
        I'm {name}, I'm {age} years old and I live in {city}.
        Write to {name} at {email}.
        Yesterday {name} bought {quantity} {item} for {price} dollars.
        {name} wants to buy {quantity} {item} for ${price}.
        Dinner with {name} on {date} at {time}.
        {name} travels from {origin} to {destination} on {date}.
        {name} owns a {color} {animal}.
        My name is {name} and I come from {city}.
        """
    ),
)

# {fields} lists the keys; without it all fields are wanted.
ASK = Phrasings(
    train=lines(
        """
        Extract the {fields} as JSON: {text}
        Extract {fields} as JSON: {text}
        Extract {fields} as JSON from: {text}
        Extract the {fields} from this sentence as JSON: {text}
        Extract {fields} from the sentence as JSON: {text}
        Extract the {fields} from the following sentence as JSON: {text}
        Extract the {fields} from this text and return JSON: {text}
        Extract the {fields} in JSON: {text}
        Extract the {fields} in JSON format from this text: {text}
        Extract {fields} from: {text} Answer in JSON.
        Extract {fields} from "{text}" as JSON.
        Extract {fields}: {text}
        Extract the following fields as JSON: {fields}. Text: {text}
        Extract these fields as JSON: {fields}. Sentence: {text}
        Return the {fields} as JSON: {text}
        Return a JSON object with the {fields}: {text}
        Return JSON with {fields} for: {text}
        Return only JSON with the keys {fields}. {text}
        Give me the {fields} as JSON: {text}
        Give me a JSON object with {fields} from this sentence: {text}
        Get the {fields} from this sentence as JSON: {text}
        Get {fields} as JSON: {text}
        Find the {fields} and write them as JSON: {text}
        Find {fields} in "{text}" and answer in JSON.
        Pull out the {fields} as JSON: {text}
        Parse the {fields} into JSON: {text}
        Parse this into JSON with {fields}: {text}
        Convert this to JSON with the keys {fields}: {text}
        Convert this sentence to JSON with {fields}: {text}
        Turn this into JSON with the fields {fields}: {text}
        Make a JSON object with {fields}: {text}
        Create JSON with the keys {fields} from: {text}
        Write the {fields} of this sentence as JSON: {text}
        As JSON, give the {fields}: {text}
        JSON with {fields}: {text}
        JSON with keys {fields} please: {text}
        {fields} as JSON: {text}
        {text} Extract the {fields} as JSON.
        {text} Give me the {fields} as JSON.
        {text} Return {fields} in JSON.
        {text} What are the {fields}? Answer as JSON.
        What are the {fields} in this sentence? Answer in JSON: {text}
        From the text "{text}" extract the {fields} as JSON.
        From this sentence, extract {fields} as JSON: {text}
        Read the sentence and return the {fields} as JSON. Sentence: {text}
        Text: {text} Extract {fields} as JSON.
        Identify the {fields} in JSON: {text}
        I need the {fields} as JSON: {text}
        Can you extract the {fields} as JSON? {text}
        Please extract the {fields} from this as JSON: {text}
        Extract the information as JSON: {text}
        Extract all fields as JSON: {text}
        Extract the data from this sentence as JSON: {text}
        Turn this into JSON: {text}
        Convert this sentence to JSON: {text}
        Parse as JSON: {text}
        {text} As JSON, please.
        Look at this sentence and give the {fields} as JSON: {text}
        This is a sentence: {text} Return the {fields} as JSON.
        Here is some text: {text} Give me the {fields} as JSON.
        Could you extract the {fields} from this as JSON: {text}
        Could you give me the {fields} as JSON? {text}
        Take this sentence and make JSON with {fields}: {text}
        Take out the {fields} as JSON: {text}
        Study the text and write the {fields} as JSON: {text}
        Output JSON with the fields {fields}: {text}
        Write JSON that has the {fields}: {text}
        Pick the {fields} from this text and answer with JSON: {text}
        Answer with JSON only. Extract the {fields}: {text}
        Reply in JSON only with the {fields}: {text}
        """
    ),
    held_out=lines(
        """
        Extract {fields} from this text as JSON: {text}
        Please return the {fields} as a JSON object: {text}
        Extract the {fields} and answer with JSON only: {text}
        Give the {fields} in JSON format: {text}
        Take the {fields} out of this sentence and give me JSON: {text}
        Produce JSON with the fields {fields} from this text: {text}
        Here is a sentence: {text} Extract the {fields} as JSON.
        Could you pull the {fields} out of this as JSON: {text}
        Read this and return JSON with {fields}: {text}
        Extract as JSON the {fields} from "{text}"
        """
    ),
)

# System messages that set the task, so that the user only sends the sentence.
SYSTEM_ASKS = Phrasings(
    lines(
        """
        Extract the {fields} as JSON.
        You extract {fields} from sentences and answer in JSON.
        Extract {fields} from the user's message as JSON.
        You are a helpful assistant that extracts {fields} as JSON.
        Return a JSON object with the keys {fields}.
        Answer only with JSON that has the {fields}.
        You turn sentences into JSON with {fields}.
        """
    ),
    lines(
        """
        Extract {fields} from the text of the user and return JSON.
        Reply with a JSON object that holds the {fields}.
        """
    ),
)
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Extraction:
    """A sentence, the fields asked for as a list in words, and the JSON they make."""

    sentence: str
    fields: str
    every_field: str
    reply: str
    template: str


def extraction(rng: random.Random, split: Split) -> Extraction:
    """Draw a sentence and some of its fields; now and then one is asked for that it lacks, which is then null."""
    template = rng.choice(SENTENCES.of(split))
    present = _SLOT.findall(template)
    values = {field: FIELDS[field].make(rng, split) for field in present}
    asked = rng.sample(present, rng.randint(1, len(present))) if rng.random() < 0.45 else list(present)
    if split == "train" and rng.random() < 0.04:
        asked.insert(rng.randint(0, len(asked)), rng.choice([field for field in FIELDS if field not in present]))
    keys = {field: rng.choice(FIELDS[field].keys) for field in asked}
    sentence = fill(template, values)
    if rng.random() < 0.1:
        sentence = sentence.rstrip(".")
    pairs = [(keys[field].replace(" ", "_"), field) for field in asked]
    every = [(FIELDS[field].keys[0], field) for field in present]
    written = [keys[field] for field in asked]
    return Extraction(sentence, _listed(written, rng), _json(every, values), _json(pairs, values), template)


def question(rng: random.Random, split: Split) -> tuple[str, str, str, str]:
    """Return a whole question: its text, its reply, and the phrasings of the request and of the sentence."""
    drawn, ask = extraction(rng, split), rng.choice(ASK.of(split))
    form = ask
    if rng.random() < 0.25:
        form = re.sub(
            r": \{text\}$", rng.choice((":\n{text}", ':\n"{text}"', ' "{text}"', ": '{text}'", ":\n\n{text}")), form
        )
    if rng.random() < 0.15 and not form.startswith("JSON"):
        form = form[:1].lower() + form[1:]
    if rng.random() < 0.07:
        form = form.replace("JSON", "json")
    if "{fields}" in form and rng.random() < 0.1:
        start = rng.choice(("Please", "please", "Hi!", "Now", "Task:", "Can you"))
        form = f"{start} {form if form.startswith('JSON') else form[:1].lower() + form[1:]}"
    text = fill(form, {"fields": drawn.fields, "text": drawn.sentence})
    return text, drawn.reply if "{fields}" in ask else drawn.every_field, ask, drawn.template


def _json(pairs: list[tuple[str, str]], values: dict[str, str]) -> str:
    parts = []
    for key, field in pairs:
        value = values.get(field)
        bare = value is None or FIELDS[field].number
        parts.append(f'"{key}": {value or "null"}' if bare else f'"{key}": "{value}"')
    return "{" + ", ".join(parts) + "}"


def _listed(keys: list[str], rng: random.Random) -> str:
    quote = rng.choice(("", "", "", "", '"', "'", "`"))
    written = [f"{quote}{key}{quote}" for key in keys]
    if len(written) == 1 or rng.random() < 0.35:
        return rng.choice((", ", ", ", " and ")).join(written)
    joint = rng.choice((" and ", " and ", ", and ", " and the "))
    return ", ".join(written[:-1]) + joint + written[-1]
