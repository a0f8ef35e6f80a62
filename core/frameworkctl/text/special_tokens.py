"""The tokens that a tokenizer puts around texts."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer


class Frame:
    """Tokens that a tokenizer puts around ``texts`` texts (1 or 2), whatever they are: seen on letters.

    Cut texts are put together of ids alone: a cut ``Encoding`` keeps what was cut off in pieces, and its
    post-processor makes one more of every two pieces of a pair.
    """

    def __init__(self, tokenizer: Tokenizer, texts: int) -> None:
        letter = tokenizer.encode("a", add_special_tokens=False)
        whole = tokenizer.post_process(letter, letter if texts == 2 else None, True)
        self.special = tokenizer.num_special_tokens_to_add(texts == 2)
        self._parts: list[tuple[list[int], int | None, int]] = []  # ids, or which text; their type
        at = 0  # tokens of texts so far
        for id_, special, kind in zip(whole.ids, whole.special_tokens_mask, whole.type_ids, strict=True):
            if special:
                self._parts.append(([id_], None, kind))
                continue
            if at % len(letter) == 0:
                self._parts.append(([], at // len(letter), kind))
            at += 1

    def around(self, *texts: Sequence[int]) -> tuple[list[int], int]:
        """Ids of texts with all that comes with them, and where the first of type 1 is (0: none is)."""
        out: list[int] = []
        second = None
        for special, text, kind in self._parts:
            part = special if text is None else texts[text]
            if kind == 1 and part and second is None:
                second = len(out)
            out += part
        return out, second or 0

    @property
    def front(self) -> int:
        """Return how many tokens come before the first text."""
        texts = [number for number, (_, text, _) in enumerate(self._parts) if text is not None]
        return sum(len(ids) for ids, _, _ in self._parts[: texts[0]]) if texts else 0
