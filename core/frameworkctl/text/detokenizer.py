"""Incremental detokenization: from token ids as they come to text that never ends inside a character."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tokenizers import Tokenizer

REPLACEMENT = "\ufffd"
BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
SPACE_DECODERS = re.compile(r"(Replace )*(ByteFallback )?Fuse (Strip )?")
SAMPLE = 256  # so many ids of a vocabulary are tried against its tokenizer
CONTEXT = 4  # a character has at most so many bytes, and so many tokens
PATIENCE = 64  # after so many tokens without text, there is no character to wait for


class Vocabulary:
    """Texts of one model's tokens; built once, then shared by all its sequences and threads.

    Where decoding comes down to joining what the tokens stand for, that is looked up in a table (``has_table``), if
    table and tokenizer agree on a sample. Other tokenizers are asked to decode a few tokens at every step.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.size = tokenizer.get_vocab_size(with_added_tokens=True)
        added = tokenizer.get_added_tokens_decoder()
        self.added = {id: token.content for id, token in added.items()}
        self.special_ids = frozenset(id for id, token in added.items() if token.special)
        self.recipe = _recipe_of(tokenizer)
        self.pieces = _Table(self._piece)
        self.pieces_without_special = _Table(lambda id: "" if id in self.special_ids else self.pieces[id])
        self.anchor: list[int] = []  # an ordinary token, to stand for "some text before"
        if self.recipe and not self._table_agrees():
            self.recipe = None

    @property
    def has_table(self) -> bool:
        return self.recipe is not None

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """Return the text of a whole sequence at once; bytes that are no text become U+FFFD."""
        return self.tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)

    def text_of(self, id: int, context: Sequence[int] = ()) -> str:
        """Return how a token is shown among logprobs: special tokens and leading spaces included.

        ``context`` are the tokens before it (the last 4 count). A token that ends inside a character is shown as
        ``""``, and the one that completes it as the whole character.
        """
        piece = self.pieces[id] if self.recipe else self.decode([id], skip_special_tokens=False)
        text = piece if isinstance(piece, str) else piece.decode("utf-8", "replace")
        return self._completed(id, context[-CONTEXT:]) if text.endswith(REPLACEMENT) else text

    def _completed(self, id: int, context: Sequence[int]) -> str:
        for count in range(1, len(context) + 1):
            before = list(context[-count:])
            text = self.decode([*before, id], skip_special_tokens=False)
            if not text.endswith(REPLACEMENT):
                while before and self.decode(before[-1:], skip_special_tokens=False).endswith(REPLACEMENT):
                    before.pop()  # begins the character, so it belongs to what is shown
                return text[len(self.decode(before, skip_special_tokens=False)) :]
        return ""

    def _piece(self, id: int) -> str | bytes:
        token = self.tokenizer.id_to_token(id)
        return "" if token is None or self.recipe is None else self.recipe.piece(token)

    def _table_agrees(self) -> bool:
        ids = sorted({*range(0, self.size, max(1, self.size // SAMPLE)), *list(self.added)[:SAMPLE]})
        ordinary = (id for id in ids if isinstance(text := self.pieces_without_special[id], str) and text.strip())
        self.anchor = list(ordinary)[:1]
        for sample in (sample for id in ids for sample in ([id], [*self.anchor, id, *self.anchor])):
            for skip in (True, False):
                stream = Detokenizer(self, (), skip_special_tokens=skip)
                if stream.feed(sample) + stream.finish(lossy=True) != self.decode(sample, skip_special_tokens=skip):
                    return False
        return bool(self.anchor)


class Detokenizer:
    """The text of one sequence, token by token.

    ``prompt_ids`` are the tokens before: they decide the spacing at the join, and a character that they leave open may
    be completed, but their own text is not repeated. ``spaces_between_special_tokens`` false joins added tokens
    without the spaces that some tokenizers put between them; it only matters when special tokens are not skipped.
    """

    __slots__ = ("_clean", "_held", "_pieces", "_skip", "_tail", "_vocabulary", "_window")

    def __init__(
        self,
        vocabulary: Vocabulary,
        prompt_ids: Sequence[int],
        *,
        skip_special_tokens: bool = True,
        spaces_between_special_tokens: bool = True,
    ) -> None:
        self._vocabulary = vocabulary
        self._skip = skip_special_tokens
        self._pieces = vocabulary.pieces_without_special if skip_special_tokens else vocabulary.pieces
        self._held: list[str] = []  # since the last token that did not end inside a character,
        self._tail = b""  # and the bytes of that character
        self._window: _Window | None = None
        last = next(filter(None, map(self._pieces.__getitem__, reversed(prompt_ids))), "")
        recipe = vocabulary.recipe
        # A beginning of a text, or an end of a prompt, that is out of the ordinary is left to the tokenizer
        if recipe is None or isinstance(last, bytes) or (recipe.special_start and not last):
            raw = {} if recipe or skip_special_tokens or spaces_between_special_tokens else vocabulary.added
            self._window = _Window(vocabulary, prompt_ids, skip_special_tokens, raw)
        self._clean = self._window is None

    def feed(self, ids: Sequence[int]) -> str:
        """Return the text that the new tokens add, up to the last token that does not end inside a character."""
        if self._clean and len(ids) == 1:
            piece = self._pieces[ids[0]]
            if isinstance(piece, str):
                return piece
        return "".join(map(self._step, ids))

    def finish(self, *, lossy: bool = False) -> str:
        """End the sequence and return what is still to be said.

        A last token that ends inside a character is left out, as in the reference server; with ``lossy`` its text is
        returned with U+FFFD for the bytes that are no text.
        """
        rest = self._window.close() if self._window else self._release()
        return rest if lossy else ""

    def _step(self, id: int) -> str:
        if self._window:
            text = self._window.step(id)
            if text and self._vocabulary.recipe:
                self._window, self._clean = None, True
            return text
        piece = self._pieces[id]
        if isinstance(piece, str):
            return self._release() + piece if piece and not self._clean else piece
        self._clean = False
        if not (recipe := self._vocabulary.recipe) or not recipe.byte_level:
            self._window = _Window(self._vocabulary, self._vocabulary.anchor, self._skip, {})
            return self._step(id)
        data = self._tail + piece
        text, used = codecs.utf_8_decode(data, "replace", False)
        self._held.append(text)
        self._tail = data[used:]
        return "" if self._tail or text.endswith(REPLACEMENT) else self._release()

    def _release(self) -> str:
        # Not one U+FFFD for all: ED A1 waits for a third byte although nothing can complete it, and is two.
        text = "".join(self._held) + self._tail.decode("utf-8", "replace")
        self._held, self._tail, self._clean = [], b"", True
        return text


class _Table(dict[int, "str | bytes"]):
    """By token id its text, or its bytes where these are no text by themselves; filled as ids are asked for."""

    def __init__(self, make: Callable[[int], str | bytes]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, id: int) -> str | bytes:
        piece = self[id] = self._make(id)
        return piece


class _Window:
    """Asks the tokenizer: decodes the tokens of the latest text together with the new ones, and takes what is new."""

    __slots__ = ("_after_raw", "_decode", "_ids", "_raw", "_read", "_shown")

    def __init__(self, vocabulary: Vocabulary, prompt_ids: Sequence[int], skip: bool, raw: Mapping[int, str]) -> None:
        self._decode = partial(vocabulary.decode, skip_special_tokens=skip)
        self._raw = raw  # texts to use for a token that follows another one of these
        self._after_raw = False
        count = CONTEXT
        self._look_back(prompt_ids[-count:])
        while count < len(prompt_ids) and not self._shown.strip(REPLACEMENT):
            count *= 2
            self._look_back(prompt_ids[-count:])

    def _look_back(self, ids: Sequence[int]) -> None:
        self._ids, self._read, self._shown = list(ids), len(ids), self._decode(ids)

    def step(self, id: int) -> str:
        self._ids.append(id)
        new = self.close()
        if new.endswith(REPLACEMENT) and len(self._ids) - self._read < PATIENCE:
            new = ""
        if new:
            self._look_back(self._ids[self._read :])
        after_raw, self._after_raw = self._after_raw, id in self._raw
        return self._raw[id] if after_raw and self._after_raw else new

    def close(self) -> str:
        text = self._decode(self._ids)
        # A character that the prompt leaves open is shown as U+FFFD until it is completed
        return text[len(self._shown if text.startswith(self._shown) else self._shown.rstrip(REPLACEMENT)) :]


@dataclass(frozen=True)
class _Recipe:
    """Recipe to decode without the tokenizer; ``piece`` maps a token to its text or, if that is incomplete, its
    bytes.
    """

    piece: Callable[[str], str | bytes]
    byte_level: bool = False  # the text is that of all bytes in a row; otherwise bytes are the exception
    special_start: bool = False


def _recipe_of(tokenizer: Tokenizer) -> _Recipe | None:
    if tokenizer.decoder is None:
        return None
    config = json.loads(tokenizer.decoder.__getstate__())
    steps: list[dict[str, Any]] = config.get("decoders", [config])
    kinds = [step["type"] for step in steps]
    if kinds == ["ByteLevel"]:
        return _Recipe(_byte_level_piece(_bytes_by_character()), byte_level=True)
    if kinds == ["Metaspace"]:
        replaced = [(steps[0]["replacement"], " ")]
        return _Recipe(_replacing_piece(replaced, False), special_start=steps[0]["prepend_scheme"] != "never")
    replaced = [(step["pattern"].get("String"), step["content"]) for step in steps if step["type"] == "Replace"]
    supported = SPACE_DECODERS.fullmatch("".join(f"{kind} " for kind in kinds)) and not steps[-1].get("stop")
    if not supported or not all(old for old, _ in replaced):
        return None
    return _Recipe(_replacing_piece(replaced, "ByteFallback" in kinds), special_start="Strip" in kinds)


def _byte_level_piece(byte_of: Mapping[str, int]) -> Callable[[str], str | bytes]:
    def piece(token: str) -> str | bytes:
        try:
            data = bytes(byte_of[character] for character in token)
        except KeyError:  # an added token, written as it is
            data = token.encode()
        text = data.decode("utf-8", "replace")
        return data if REPLACEMENT in text else text

    return piece


def _replacing_piece(replaced: Sequence[tuple[str, str]], byte_tokens: bool) -> Callable[[str], str | bytes]:
    def piece(token: str) -> str | bytes:
        for old, new in replaced:
            token = token.replace(old, new)
        if byte_tokens and (match := BYTE_TOKEN.fullmatch(token)):
            return bytes.fromhex(match[1])
        return token.encode() if token.endswith(REPLACEMENT) else token

    return piece


def _bytes_by_character() -> dict[str, int]:
    """Return the alphabet of byte-level tokenizers: printable Latin-1 for itself, 256 and up for the rest in order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + at): byte for at, byte in enumerate(rest)}
