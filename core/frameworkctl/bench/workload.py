"""Workload: prompts of a wished length that never repeat, in the words or token ids of the server."""

from __future__ import annotations

import random
from typing import Any

import msgspec

WORDS = """
time year people way day man thing woman life child world school state family student group country problem hand
part place case week company system program question work night point home water room mother area money story
fact month lot right study book eye job word business issue side kind head house service friend father power
hour game line end member law car city name team minute idea body back face level office door health person art
war history party result change morning reason girl guy moment air teacher force education foot boy age policy
music market
""".split()  # noqa: SIM905


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """Lengths in tokens. All requests of a repetition share the first ``shared_prefix_len`` tokens of their prompts."""

    input_len: int = 128
    output_len: int = 128
    shared_prefix_len: int = 0
    seed: int = 0

    @property
    def prompt_len(self) -> int:
        return self.shared_prefix_len + self.input_len


class Dialect(msgspec.Struct, kw_only=True):
    """Dialect of one server. ``ids`` are tokens to make prompts of; None: it takes text."""

    model: str
    path: str
    fields: dict[str, Any]  # what every body carries, besides the model and the prompt
    length_field: str = "max_tokens"
    ids: list[int] | None = None
    tokens_per_word: float = 1.0
    overhead: float = 0.0  # tokens of a prompt that are not its words': a chat template's
    notes: list[str] = []

    @property
    def is_chat(self) -> bool:
        return self.path.endswith("/chat/completions")

    def words(self, tokens: float) -> int:
        """Return how many words make that many tokens."""
        return max(1, round(tokens / self.tokens_per_word))

    def body(self, prompt: str | list[int], output_len: int) -> dict[str, Any]:
        said = {"messages": [{"role": "user", "content": prompt}]} if self.is_chat else {"prompt": prompt}
        return {"model": self.model, **said, self.length_field: output_len, **self.fields}


def prompt(load: Workload, dialect: Dialect, run: str, number: str) -> str | list[int]:
    """Return the prompt of request ``number`` of a run: the same for the same names and seed, and for no others."""
    shared = random.Random(f"{load.seed}/{run}/shared")
    own = random.Random(f"{load.seed}/{run}/{number}")
    if dialect.ids is not None:
        return shared.choices(dialect.ids, k=load.shared_prefix_len) + own.choices(dialect.ids, k=load.input_len)
    prefix = dialect.words(load.shared_prefix_len) if load.shared_prefix_len else 0
    rest = dialect.words(load.prompt_len - dialect.overhead) - prefix
    return " ".join(shared.choices(WORDS, k=prefix) + own.choices(WORDS, k=max(1, rest)))


def bodies(load: Workload, dialect: Dialect, run: str, count: int) -> list[dict[str, Any]]:
    """Bodies of the requests of a run."""
    return [dialect.body(prompt(load, dialect, run, str(i)), load.output_len) for i in range(count)]
