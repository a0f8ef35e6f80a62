"""What a reader of an answer could put together from it: texts of every field, decoded ids, bytes, alternatives."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

TOKEN_ID = "token_id:"


class Reader:
    """Reads all of an answer, given as its chunks (one, where it is no stream), whatever its fields are called."""

    def __init__(self, tokenizer: Any, chunks: Sequence[Any]) -> None:
        self.tokenizer = tokenizer
        self.strings: dict[tuple[Any, ...], list[str]] = defaultdict(list)
        self.numbers: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        self.alternatives: list[str] = []  # each behind the tokens before it
        for chunk in chunks:
            self._read(chunk, ())

    def texts(self) -> Iterator[str]:
        for strings in self.strings.values():
            yield from strings
            yield "".join(strings)
            ids = [int(s[len(TOKEN_ID) :]) for s in strings if s.startswith(TOKEN_ID)]
            yield self._decode(ids)
        for path, numbers in self.numbers.items():
            yield self._decode(numbers)
            if "bytes" in path and all(0 <= n < 256 for n in numbers):
                yield bytes(numbers).decode("utf-8", "replace")
        yield from self.alternatives

    def shows(self, word: str) -> list[str]:
        return [text for text in self.texts() if word in text]

    def _decode(self, ids: Sequence[int]) -> str:
        known = [i for i in ids if 0 <= i < self.tokenizer.get_vocab_size()]
        return " ".join({self.tokenizer.decode(known, skip_special_tokens=skip) for skip in (True, False)})

    def _read(self, value: Any, path: tuple[Any, ...]) -> None:
        if isinstance(value, dict):
            place = path if value.get("index") is None else (*path, value["index"])
            for key, inner in value.items():
                self.strings[path, "keys"].append(key)
                self._read(inner, (*place, key))
            self._alternatives(value, place)
        elif isinstance(value, list):
            for inner in value:
                self._read(inner, path)
        elif isinstance(value, str):
            self.strings[path].append(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            self.numbers[path].append(value)

    def _alternatives(self, value: dict[str, Any], path: tuple[Any, ...]) -> None:
        before = "".join(self.strings[*path, "before"])
        if isinstance(value.get("tokens"), list):  # completions: parallel lists
            tokens = value["tokens"]
            for at, top in enumerate(value.get("top_logprobs") or []):
                self.alternatives += [before + "".join(tokens[:at]) + other for other in top or ()]
            self.strings[*path, "before"] += tokens
        if isinstance(value.get("content"), list) and value["content"] and "token" in value["content"][0]:
            tokens = [entry["token"] for entry in value["content"]]
            for at, entry in enumerate(value["content"]):
                self.alternatives += [before + "".join(tokens[:at]) + t["token"] for t in entry["top_logprobs"]]
            self.strings[*path, "before"] += tokens


def splits(word: str, vocabulary: dict[str, int]) -> list[list[int]]:
    """Every way to write the word in tokens."""
    found = []
    for count in range(len(word)):
        for cuts in itertools.combinations(range(1, len(word)), count):
            parts = [word[a:b] for a, b in itertools.pairwise([0, *cuts, len(word)])]
            if all(part in vocabulary for part in parts):
                found.append([vocabulary[part] for part in parts])
    return found
