"""Declares the processor: what a request may say, how words become token ids, an option for the operator."""

from __future__ import annotations

import msgspec
from frameworkctl.interfaces import (
    LogitsProcessorSpec,
    OptionSpec,
    Register,
    RequestError,
    ServedModel,
    hookimpl,
)

LIMIT = "word_boost_limit"


class WordBoost(msgspec.Struct, forbid_unknown_fields=True):
    """``extra_args.word_boost`` of a request."""

    boost: dict[str, float] = {}
    ban: list[str] = []


class TokenBoost(msgspec.Struct):
    """The same with token ids: (ids of the word, what is added to the logit of the next of them)."""

    words: list[tuple[list[int], float]]
    banned: list[list[int]]


def prepare(params: WordBoost, model: ServedModel) -> TokenBoost:
    """Words into token ids, each with and without a space before it. Raises RequestError for what cannot be meant."""
    limit = model.options[LIMIT]
    for word, value in params.boost.items():
        if not -limit <= value <= limit:
            path = f"extra_args.word_boost.boost.{word}"
            raise RequestError(f"{path} must be in [-{limit:g}, {limit:g}], got {value}.", param=path)
    if not all(params.boost) or not all(params.ban):
        raise RequestError("extra_args.word_boost has an empty word.", param="extra_args.word_boost")
    return TokenBoost(
        words=[(ids, value) for word, value in params.boost.items() for ids in spellings(word, model)],
        banned=[ids for word in params.ban for ids in spellings(word, model)],
    )


def spellings(word: str, model: ServedModel) -> list[list[int]]:
    found = (model.tokenizer.encode(text, add_special_tokens=False) for text in (word, f" {word}"))
    return list({tuple(ids): ids for ids in found if ids}.values())


@hookimpl
def register_options(register: Register[OptionSpec]) -> None:
    register(OptionSpec(name=LIMIT, type=float, default=20.0, help="largest boost a request may give a word"))


@hookimpl
def register_logits_processors(register: Register[LogitsProcessorSpec]) -> None:
    register(
        LogitsProcessorSpec(
            name="word_boost",
            params=WordBoost,
            prepared=TokenBoost,
            prepare=prepare,
            implementation="frameworkctl_word_boost.processor:WordBoostProcessor",
            tokens="host",
        )
    )
