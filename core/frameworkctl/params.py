"""Sampling parameters of one request as they travel to the engine, and the limits they are held to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from .errors import bad
from .limits import LENGTHS

MAX_N = 16384
MAX_STOP_STRINGS = LENGTHS["stop"].most
MAX_STOP_CHARACTERS = LENGTHS["stop"].characters or 0  # of all stop strings
MAX_BAD_WORDS = LENGTHS["bad_words"].most  # token sequences; each word is one or two
MAX_BAD_WORD_TOKENS = 1024
MAX_LOGPROB_TOKEN_IDS = LENGTHS["logprob_token_ids"].most
MAX_TOP_K = 2**31 - 1  # what the runner's arrays hold
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


class Grammar(msgspec.Struct, frozen=True, omit_defaults=True):
    """A constraint as it travels: checked, and written down for the engine's compiler.

    Made by ``ServedModel.sampling`` of an ``interfaces.Constraint``, whose ``param``, ``ends`` and ``openings`` it
    keeps. ``opening_ids`` are the token ids of each of the openings.
    """

    text: str
    param: str
    ends: tuple[str, ...] = ()
    openings: tuple[str, ...] = ()
    opening_ids: tuple[tuple[int, ...], ...] = ()
    loosened: tuple[str, ...] = ()  # paths of what is not held, for the reply
    job: str = ""  # the constraint, as long as it has not been compiled: then there is no text


class SamplingParams(msgspec.Struct, frozen=True, omit_defaults=True):
    """Parameters of sampling: from logits to tokens, and when to stop.

    Built by ``ServedModel.sampling``; valid by construction once ``validate`` has passed. ``max_tokens`` is what is
    left after clamping to the context window; 0 computes the prompt and says nothing. ``eos_token_ids`` end a sequence
    with stop reason null, ``stop_token_ids`` with their own id as stop reason; ``ignore_eos`` empties the former.
    ``top_k`` 0 and ``logprobs`` None mean off.
    """

    max_tokens: int
    n: int = 1
    min_tokens: int = 0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_after: tuple[str, ...] = ()  # texts that end reasoning: stop strings count after the first of them
    stop_openings: tuple[str, ...] = ()  # an output that begins with none of these texts has no reasoning
    stop_token_ids: tuple[int, ...] = ()
    eos_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False
    include_stop_str_in_output: bool = False
    skip_special_tokens: bool = True
    spaces_between_special_tokens: bool = True
    logprobs: int | None = None
    logprob_token_ids: tuple[int, ...] = ()  # of these, instead of the most likely ones
    prompt_logprobs: int | None = None
    logit_bias: dict[int, float] | None = None
    grammar: Grammar | None = None  # what the output must match
    allowed_token_ids: tuple[int, ...] | None = None
    bad_words: tuple[tuple[int, ...], ...] = ()  # token sequences that must not come out
    processors: dict[str, bytes] | None = None  # logits processors of plugins: name -> their params, as JSON

    @property
    def greedy(self) -> bool:
        return self.temperature == 0.0


class Range(NamedTuple):
    """Range of a number; ``open_low``: more than ``low``."""

    low: float
    high: float
    open_low: bool = False

    def __contains__(self, value: object) -> bool:
        try:
            number = float(value)  # type: ignore[arg-type]
        except OverflowError:  # an integer beyond any float
            return False
        return math.isfinite(number) and self.low <= number <= self.high and not (self.open_low and number == self.low)

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"finite and {'above' if self.open_low else 'at least'} {self.low:g}"
        return f"in {'(' if self.open_low else '['}{self.low:g}, {self.high:g}]"


RANGES = {
    "temperature": Range(0, 2),
    "top_p": Range(0, 1, open_low=True),
    "min_p": Range(0, 1),
    "presence_penalty": Range(-2, 2),
    "frequency_penalty": Range(-2, 2),
    "repetition_penalty": Range(0, math.inf, open_low=True),
}


def validate(
    p: SamplingParams, *, vocab_size: int, max_logprobs: int, max_model_len: int, min_max_tokens: int = 1
) -> None:
    """Check every range and every combination; ``vocab_size`` bounds token ids, ``max_logprobs`` -1 means no cap.

    ``min_max_tokens`` is the least that ``max_tokens`` may be: 0 where the prompt itself is part of the answer.

    Raises:
        RequestError: 400 naming the first field that is wrong.
    """
    for name, limits in RANGES.items():
        if getattr(p, name) not in limits:
            raise bad(name, f"{name} must be {limits}, got {getattr(p, name)}.")
    if not 0 <= p.top_k <= MAX_TOP_K:
        raise bad("top_k", f"top_k must be 0 or -1 (off), or in [1, {MAX_TOP_K}], got {p.top_k}.")
    _validate_counts(p, max_model_len, min_max_tokens)
    for name in ("logprobs", "prompt_logprobs"):
        asked = getattr(p, name)
        if asked is not None and (asked < 0 or 0 <= max_logprobs < asked):
            limit = "" if max_logprobs < 0 else f" of at most {max_logprobs}"
            raise bad(name, f"{name} must be a number{limit} (or -1 for all, where all are allowed), got {asked}.")
    if len(p.stop) > MAX_STOP_STRINGS:
        raise bad("stop", f"At most {MAX_STOP_STRINGS} stop strings are possible, got {len(p.stop)}.")
    if sum(map(len, p.stop)) > MAX_STOP_CHARACTERS:
        raise bad("stop", f"stop strings may have at most {MAX_STOP_CHARACTERS} characters in all.")
    if "" in p.stop:
        raise bad("stop", "stop must not contain an empty string.")
    _validate_ids("stop_token_ids", p.stop_token_ids, vocab_size)
    if p.logit_bias:
        _validate_ids("logit_bias", p.logit_bias, vocab_size)
    _validate_lists(p, vocab_size)


def _validate_lists(p: SamplingParams, vocab_size: int) -> None:
    if p.allowed_token_ids is not None:
        if not p.allowed_token_ids:
            raise bad("allowed_token_ids", "allowed_token_ids must not be empty: nothing could be said.")
        _validate_ids("allowed_token_ids", p.allowed_token_ids, vocab_size)
    if p.logprob_token_ids:
        if p.logprobs is None:
            raise bad("logprob_token_ids", "logprob_token_ids needs logprobs.")
        if len(p.logprob_token_ids) > MAX_LOGPROB_TOKEN_IDS:
            raise bad("logprob_token_ids", f"logprob_token_ids may hold at most {MAX_LOGPROB_TOKEN_IDS} ids.")
        _validate_ids("logprob_token_ids", p.logprob_token_ids, vocab_size)
    if len(p.bad_words) > MAX_BAD_WORDS or sum(map(len, p.bad_words)) > MAX_BAD_WORD_TOKENS:
        raise bad(
            "bad_words",
            f"bad_words come to more than {MAX_BAD_WORDS} token sequences or {MAX_BAD_WORD_TOKENS} tokens"
            " (a word counts twice where a leading blank changes its tokens).",
        )


def _validate_counts(p: SamplingParams, max_model_len: int, min_max_tokens: int) -> None:
    if not 1 <= p.n <= MAX_N:
        raise bad("n", f"n must be in [1, {MAX_N}], got {p.n}.")
    if p.n > 1 and p.greedy:
        raise bad("n", f"n must be 1 with greedy sampling (temperature 0), got {p.n}.")
    if p.max_tokens < min_max_tokens:
        raise bad("max_tokens", f"max_tokens must be at least {min_max_tokens}, got {p.max_tokens}.")
    if p.max_tokens > max_model_len:
        raise bad(
            "max_tokens", f"max_tokens={p.max_tokens} is more than this model's context of {max_model_len} tokens."
        )
    if not 0 <= p.min_tokens <= p.max_tokens:
        raise bad("min_tokens", f"min_tokens must be in [0, max_tokens={p.max_tokens}], got {p.min_tokens}.")
    if p.seed is not None and not INT64_MIN <= p.seed <= INT64_MAX:
        raise bad("seed", f"seed must be a 64-bit integer, got {p.seed}.")


def _validate_ids(name: str, ids: Any, vocab_size: int) -> None:
    wrong = [i for i in ids if not 0 <= i < vocab_size]
    if wrong:
        raise bad(name, f"{name} has token ids outside the vocabulary of {vocab_size}: {wrong[:5]}.")


def parse_logit_bias(raw: Mapping[str, float] | None) -> dict[int, float] | None:
    """Return ``{"123": -100}`` as ``{123: -100.0}``, values clamped to [-100, 100] as the OpenAI API documents.

    Raises:
        RequestError: a key is not an integer, or a value not finite.
    """
    if not raw:
        return None
    out: dict[int, float] = {}
    for key, value in raw.items():
        try:
            token = int(key)
        except ValueError:
            raise bad("logit_bias", f"logit_bias keys must be token ids, got {key!r:.80}.") from None
        if not math.isfinite(value):
            raise bad(f"logit_bias.{key}", "logit_bias values must be finite numbers.")
        out[token] = max(-100.0, min(100.0, value))
    return out
