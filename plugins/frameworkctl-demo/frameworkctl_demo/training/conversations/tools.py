"""Tools that clients offer in their requests, and questions that are answered by calling one."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any, Literal

from frameworkctl_demo.training.words.augment import fill
from frameworkctl_demo.training.words.fields import city, made_up
from frameworkctl_demo.training.words.split import Phrasings, Split, bars, words
from frameworkctl_demo.training.words.tool_phrasings import (
    BINARY,
    CALCULATOR_NAMES,
    EXPRESSION,
    EXPRESSION_KEYS,
    OTHER_TOOLS,
    PLACE_KEYS,
    WEATHER,
    WEATHER_NAMES,
)

_VERBS = words("get fetch check lookup read find show query run do use call my ask tool service api info")
_WEATHER_NOUNS = words("weather forecast weather_data current_weather weather_info weather_now temperature")
_CALCULATOR_NOUNS = words("calculator calculation math expression calculate compute evaluate arithmetic calc")
_PAIR_KEYS = (("a", "b"), ("x", "y"), ("num1", "num2"), ("first", "second"), ("left", "right"))
_SKIES = bars(
    "sunny | cloudy | rainy | partly cloudy | light rain | heavy rain | snow | clear sky | foggy | windy | overcast | "
    "thunderstorms | clear | rain | showers | mostly sunny | drizzle | hail | fog | snowy | stormy"
)
_RESULTS = (
    "{s}, {d} {u}",
    "{d} {u}, {s}",
    "{d} {u} and {s}",
    "{s} and {d} {u}.",
    "{d}°C, {s}",
    "{s}, {d}°C",
    "{d}°C",
    "{s}",
    "It is {s} and {d} {u}.",
    "{d} {u}",
)
_OPERATIONS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}


Kind = Literal["weather", "calculator", "other"]


@dataclass(frozen=True)
class Tool:
    """A tool as the chat template shows it: its name, and its parameters with what may stand there."""

    kind: Kind
    name: str
    parameters: dict[str, str]

    def line(self) -> str:
        """Return the line of the prompt that stands for the tool."""
        return json.dumps({"name": self.name, "parameters": self.parameters}, ensure_ascii=False)

    def schema(self) -> dict[str, Any]:
        """Return the tool as an OpenAI client sends it."""
        shown = {
            key: {"type": "string", "enum": kind.split("|")} if "|" in kind else {"type": kind}
            for key, kind in self.parameters.items()
        }
        parameters = {"type": "object", "properties": shown, "required": list(shown)}
        return {"type": "function", "function": {"name": self.name, "parameters": parameters}}


@dataclass(frozen=True)
class Call:
    """A question, the call that answers it, and what the call stands for in words."""

    question: str
    reply: str
    phrasing: str
    subject: str


def weather_tool(rng: random.Random, split: Split) -> Tool:
    """Return a tool that knows the weather somewhere."""
    name = _name(rng, split, WEATHER_NAMES, _WEATHER_NOUNS)
    key = made_up(rng) if split == "train" and rng.random() < 0.1 else rng.choice(PLACE_KEYS)
    parameters = {key: "string"}
    if rng.random() < 0.08:
        parameters[rng.choice(("unit", "units"))] = "celsius|fahrenheit"
    return Tool("weather", name, parameters)


def calculator_tool(rng: random.Random, split: Split) -> Tool:
    """Return a tool that evaluates an expression, or one operation on two numbers."""
    name = _name(rng, split, CALCULATOR_NAMES, _CALCULATOR_NOUNS)
    if rng.random() < 0.12:
        one, two = rng.choice(_PAIR_KEYS)
        kind = rng.choice(("number", "integer"))
        return Tool("calculator", name, {"operation": "|".join(_OPERATIONS.values()), one: kind, two: kind})
    key = made_up(rng) if split == "train" and rng.random() < 0.1 else rng.choice(EXPRESSION_KEYS)
    return Tool("calculator", name, {key: "string"})


def other_tool(rng: random.Random) -> Tool:
    """Return a tool that none of the questions is for."""
    if rng.random() < 0.7:
        return Tool("other", *rng.choice(OTHER_TOOLS))
    name = rng.choice(("{}", "get_{}", "{}_lookup", "find_{}", "{}_tool")).format(made_up(rng))
    return Tool("other", name, {made_up(rng): rng.choice(("string", "integer", "number", "boolean"))})


def _name(rng: random.Random, split: Split, names: Phrasings, nouns: tuple[str, ...]) -> str:
    """Return a known name; in training, now and then one put together, so that names get copied, not remembered."""
    if split == "held_out":
        return rng.choice(names.train if rng.random() < 0.5 else names.held_out)
    while rng.random() < 0.4:
        noun = rng.choice(nouns)
        other = made_up(rng) if rng.random() < 0.4 else rng.choice(_VERBS)
        name = rng.choice((f"{other}_{noun}", f"{noun}_{other}", other + noun.title().replace("_", "")))
        if name not in names.held_out:
            return name
    return rng.choice(names.train)


def weather_call(rng: random.Random, split: Split, tool: Tool, phrasings: Phrasings = WEATHER) -> Call:
    """Ask for the weather somewhere."""
    place = city(rng, split)
    if rng.random() < 0.06:
        place += rng.choice((", France", ", CA", ", Germany", ", UK", ", Japan", ", Italy", ", NY"))
    phrasing = rng.choice(phrasings.of(split))
    text = phrasing
    arguments = {next(iter(tool.parameters)): place}
    for key in list(tool.parameters)[1:]:
        unit = rng.choice(tool.parameters[key].split("|"))
        arguments[key] = unit
        text = text.rstrip("?.") + f" in {unit}" + ("?" if text.endswith("?") else "")
    text = _vary(text, rng)
    if rng.random() < 0.1:
        text, place = text.lower(), place.lower()
        arguments[next(iter(tool.parameters))] = place
    return Call(fill(text, {"city": place}), _call(tool, arguments), phrasing, place)


def calculation(rng: random.Random, split: Split, tool: Tool) -> Call:
    """Ask for something to be calculated."""
    symbol = rng.choice("++--****//")
    a, b = _number(rng), _number(rng)
    pair, draw = len(tool.parameters) == 3, rng.random()
    if draw < 0.5:
        phrasing = rng.choice(BINARY[symbol].of(split))
        text = fill(phrasing, {"a": a, "b": b})
        # The call keeps the order in which the question names the numbers, where it does not matter.
        if symbol == "+" and phrasing.find("{b}") < phrasing.find("{a}"):
            a, b = b, a
        expression = f"{a} {symbol} {b}"
    else:
        phrasing = rng.choice(EXPRESSION.of(split))
        expression = _longer(rng) if draw > 0.8 and not pair else f"{a} {symbol} {b}"
        shown = expression if rng.random() < 0.7 else expression.replace(" ", "")
        if rng.random() < 0.1:
            shown = shown.replace("**", "^").replace("*", "x").replace("/", "÷").replace("^", "**")
        text = fill(phrasing, {"e": shown})
    text = _vary(text, rng)
    if pair:
        operation, one, two = tool.parameters
        arguments = f'{{"{operation}": "{_OPERATIONS[symbol]}", "{one}": {a}, "{two}": {b}}}'
        return Call(text, _hermes(tool.name, arguments), phrasing, expression)
    return Call(text, _call(tool, {next(iter(tool.parameters)): expression}), phrasing, expression)


def _longer(rng: random.Random) -> str:
    a, b, c = (_number(rng) for _ in range(3))
    one, two = rng.choice("+-*/"), rng.choice("+-*/")
    forms = (f"{a} {one} {b} {two} {c}", f"({a} {one} {b}) {two} {c}", f"{a} {one} ({b} {two} {c})", f"{a} ** 2")
    return rng.choice(forms)


def _number(rng: random.Random) -> str:
    whole = str(rng.randint(1, 10 ** rng.choice((1, 2, 2, 2, 3, 3, 4, 5)) - 1))
    return f"{whole}.{rng.randint(1, 99)}" if rng.random() < 0.06 else whole


def _vary(text: str, rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.08 and not text.startswith(("I ", "{")):
        return f"{rng.choice(('Please, ', 'Hi! ', 'hello, ', 'Hey, ', 'ok, ', 'now '))}{text[:1].lower()}{text[1:]}"
    if draw < 0.2:
        return text.rstrip("?. ")
    return text[:1].upper() + text[1:] if draw < 0.3 else text


def _call(tool: Tool, arguments: dict[str, str]) -> str:
    return _hermes(tool.name, json.dumps(arguments, ensure_ascii=False))


def _hermes(name: str, arguments: str) -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


def result_of(rng: random.Random, call: Call, tool: Tool) -> tuple[str, str]:
    """Return what the tool sends back for a call, and how the model then puts it in words."""
    return _weather_result(rng, call.subject) if tool.kind == "weather" else _calculated(rng, call.subject)


def _weather_result(rng: random.Random, place: str) -> tuple[str, str]:
    degrees, sky = rng.randint(-15, 40), rng.choice(_SKIES)
    if rng.random() < 0.5:
        scale = rng.choice(("degrees", "C", "degrees Celsius", "F"))
        text = rng.choice(_RESULTS).format(d=degrees, s=sky, u=scale, p=place)
        text = text if rng.random() < 0.5 else text[:1].upper() + text[1:]
        return text, f"The weather in {place}: {text.rstrip('.')}."
    shown = rng.choice((degrees, f"{degrees}°C", f"{degrees} C", f"{degrees}.{rng.randint(0, 9)}"))
    unit = rng.choice(("unit", "units"))
    pairs: dict[str, Any] = {rng.choice(("temperature", "temperature", "temp", "temp_c", "degrees")): shown}
    pairs |= {unit: rng.choice(("celsius", "C", "fahrenheit"))} if rng.random() < 0.25 else {}
    pairs |= {rng.choice(("condition", "conditions", "description", "sky", "weather", "forecast")): sky}
    if rng.random() < 0.3:
        pairs[rng.choice(("humidity", "wind", "wind_speed", "rain_chance"))] = rng.randint(0, 99)
    items = list(pairs.items())[: rng.choice((1, 2, 2, 4))]
    if rng.random() < 0.3:
        rng.shuffle(items)
    told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in items)
    if rng.random() < 0.3:
        items.insert(0, (rng.choice(("city", "location", "place")), place))
    separators = (",", ":") if rng.random() < 0.1 else (", ", ": ")
    return json.dumps(dict(items), ensure_ascii=False, separators=separators), f"The weather in {place}: {told}."


def _calculated(rng: random.Random, expression: str) -> tuple[str, str]:
    try:
        value = eval(expression)  # an expression that was made here
    except ZeroDivisionError:
        value = 0
    number = str(value if isinstance(value, int) else round(value, rng.choice((2, 4))))
    key = rng.choice(("result", "result", "answer", "value"))
    form = rng.choice(("{n}", "{n}", '{{"{k}": {n}}}', '{{"{k}": {n}}}', '{{"{k}": "{n}"}}', "The {k} is {n}."))
    return form.format(n=number, k=key), f"{expression} = {number}."
