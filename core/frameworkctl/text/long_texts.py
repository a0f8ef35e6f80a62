"""Token ids of long texts: piece by piece, no more of a text than is needed, one large piece at a time."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import Any

from tokenizers import Tokenizer

from .pieces import PIECE, Pieces
from .special_tokens import Frame


class LongTexts:
    """Of one tokenizer; thread-safe."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.pieces = Pieces(tokenizer)
        self._frame = Frame(tokenizer, 1)
        self._one_at_a_time = threading.Lock()  # the library's threads are few, and shared with small texts

    def ids(self, text: str, *, most: int | None = None, backwards: bool = False) -> tuple[list[int], bool]:
        """Return ids without special tokens, and if they are all of the text's.

        With ``most``, the first of them (``backwards``: the last), at least that many unless the text has fewer.

        Raises:
            TextTooLong: a piece of the text cannot be tokenized in bounded memory.
        """
        found: list[list[int]] = []
        count, read = 0, 0
        known: dict[int, int] = {}  # one object for each id, however often it comes
        for piece in self.pieces.of(text, backwards=backwards):
            if most is not None and count >= most:
                break
            ids = self._encode(piece)
            found.append(list(map(known.setdefault, ids, ids)))
            count, read = count + len(ids), read + len(piece)
        if backwards:
            found.reverse()
        return [id_ for ids in found for id_ in ids], read == len(text)

    def around(self, ids: list[int]) -> tuple[list[int], int]:
        """Return ``ids`` with the special tokens of a text, and how many of those are in front."""
        return self._frame.around(ids)[0], self._frame.front

    def beginning(self, text: str, tokens: int) -> str:
        """Return the first pieces of a text, with at least so many tokens; the whole text when it has fewer.

        Raises:
            TextTooLong: as ``ids``.
        """
        count = end = 0
        for piece in self.pieces.of(text):
            if count > tokens:
                return text[:end]
            count, end = count + len(self._encode(piece)), end + len(piece)
        return text

    def _encode(self, piece: str) -> list[int]:
        large = len(piece) > PIECE
        with self._one_at_a_time if large else nullcontext():
            made: Any = self._tokenizer.encode_batch_fast([piece], add_special_tokens=False)
        return list(made[0].ids)
