"""Many texts, or pairs of them, to token ids at once; cut so that the tokenizer's special tokens stay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from tokenizers import Encoding, Tokenizer

from .long_texts import LongTexts
from .pieces import PIECE
from .special_tokens import Frame

Side = Literal["left", "right"]
SLICE = 1 << 16  # characters that are tokenized at a time: the library's threads serve others in between
EMPTY = 64  # characters whose tokens take the memory of an encoding without any

# Classes of transformers' tokenizers that tell the two texts of a pair apart: their models have seen token types.
WITH_TYPES = frozenset(
    {
        "BertTokenizer",
        "DebertaTokenizer",
        "DebertaV2Tokenizer",
        "DPRQuestionEncoderTokenizer",
        "ElectraTokenizer",
        "FNetTokenizer",
        "LayoutLMv2Tokenizer",
        "LxmertTokenizer",
        "MobileBertTokenizer",
    }
)


def gives_token_types(config: Mapping[str, Any]) -> bool:
    """Return whether transformers gives token types with the tokenizer of this tokenizer_config.json.

    ``model_input_names`` says it, or else the class; where none is named, the tokenizer's own template.
    """
    inputs, name = config.get("model_input_names"), config.get("tokenizer_class")
    if isinstance(inputs, list):
        return "token_type_ids" in inputs
    return not isinstance(name, str) or name.removesuffix("Fast") in WITH_TYPES


class NoRoom(ValueError):
    """Raised when fewer tokens are to be kept than there are special tokens; ``args[0]`` is how many those are."""


class BatchEncoder:
    """Thread-safe: texts are cut by us, not by settings of the tokenizer. ``side`` is where, unless a call says."""

    def __init__(self, tokenizer: Tokenizer, side: Side = "right", long: LongTexts | None = None) -> None:
        self._tokenizer, self.side = tokenizer, side
        self._long = LongTexts(tokenizer) if long is None else long
        self._single, self._pair = Frame(tokenizer, 1), Frame(tokenizer, 2)

    def encode(
        self,
        texts: Iterable[str],
        *,
        add_special_tokens: bool = True,
        keep: int | None = None,
        side: Side | None = None,
    ) -> Iterator[list[int]]:
        """Token ids of each text, at most ``keep``. Raises NoRoom."""
        if keep is None:
            yield from (ids for ids, _ in self._ids(texts, special=add_special_tokens))
        elif not add_special_tokens:
            yield from (ids for ids, _ in self._cut_ids(texts, keep, side, count=False))
        else:
            room = _room(keep, self._single)
            cut = self._cut_ids(texts, room, side, count=False)
            yield from (self._single.around(ids)[0] for ids, _ in cut)

    def encode_pairs(
        self, pairs: Sequence[tuple[str, str]], *, keep: int | None = None, side: Side | None = None
    ) -> Iterator[tuple[list[int], int]]:
        """Token ids of each pair, and where its second text begins (0 where the tokenizer does not tell them apart).

        ``keep`` of them are kept: of the longer text as many as it takes go first. Raises NoRoom.
        """
        room = None if keep is None else _room(keep, self._pair)
        unique = list(dict.fromkeys(first for first, _ in pairs))
        firsts = dict(zip(unique, self._cut_ids(unique, room, side), strict=True))
        seconds = self._cut_ids((second for _, second in pairs), room, side)
        for (text, _), (second, second_len) in zip(pairs, seconds, strict=True):
            first, first_len = firsts[text]
            if room is not None and first_len + second_len > room:
                shares = _shares(first_len, second_len, room)
                first, second = self._cut(first, shares[0], side), self._cut(second, shares[1], side)
            yield self._pair.around(first, second)

    def cut_texts(self, texts: Sequence[str], keep: int) -> list[str]:
        """Return each text up to the end of its token number ``keep``, or of one before, so that it is no more
        tokens.
        """
        unique = list(dict.fromkeys(texts))
        cut: dict[str, str] = {}
        for some in _slices(unique):
            beginnings = [self._long.beginning(text, keep) if len(text) > PIECE else text for text in some]
            made = self._tokenizer.encode_batch(beginnings, add_special_tokens=False)
            for text, encoding in zip(some, made, strict=True):
                cut[text] = text if len(encoding) <= keep else self._cut_text(text, encoding, keep)
        return [cut[text] for text in texts]

    def _cut_text(self, text: str, encoding: Encoding, keep: int) -> str:
        """Return the longest beginning of the text, by ends of its tokens, that is ``keep`` tokens by itself.

        A character of several tokens may end behind the last that is kept, and a word cut short may take more.
        """
        places = (encoding.token_to_chars(i) for i in reversed(range(keep)))
        ends = dict.fromkeys(place[1] for place in places if place is not None)
        for cut in (text[:end] for end in ends):
            if len(self._tokenizer.encode(cut, add_special_tokens=False)) <= keep:
                return cut
        return ""

    def _ids(
        self, texts: Iterable[str], *, special: bool = False, most: int | None = None, side: Side | None = None
    ) -> Iterator[tuple[list[int], int]]:
        """Yield the ids of each text and how many it has: without the interpreter lock, in parallel.

        With ``most``, a long text has at least the first or last ``most`` of its ids, and only those are counted.
        """
        known: dict[int, int] = {}  # one object for each id, however often it comes
        backwards = (side or self.side) == "left"
        for some in _slices(texts):
            if len(some[0]) > PIECE:  # it is alone
                ids, _ = self._long.ids(some[0], most=most, backwards=backwards)
                yield (self._long.around(ids)[0] if special else ids), len(ids)
                continue
            made: Any = self._tokenizer.encode_batch_fast(some, add_special_tokens=special)
            for encoding in made:
                ids = encoding.ids
                yield list(map(known.setdefault, ids, ids)), len(ids)

    def _cut_ids(
        self, texts: Iterable[str], room: int | None, side: Side | None, *, count: bool = True
    ) -> Iterator[tuple[list[int], int]]:
        """Yield the ids of each text that are kept, and how many it has (not to rely on without ``count``)."""
        for ids, length in self._ids(texts, most=None if count else room, side=side):
            yield (ids if room is None else self._cut(ids, room, side)), length

    def _cut(self, ids: list[int], room: int, side: Side | None) -> list[int]:
        if len(ids) <= room:
            return ids
        return ids[len(ids) - room :] if (side or self.side) == "left" else ids[:room]


def _slices(texts: Iterable[str]) -> Iterator[list[str]]:
    """So many at a time that what the tokenizer makes of them, a hundred times as large, takes bounded memory."""
    some: list[str] = []
    size = 0
    for text in texts:
        if size + len(text) > SLICE and some:
            yield some
            some, size = [], 0
        some.append(text)
        size += len(text) + EMPTY
    if some:
        yield some


def _room(keep: int, frame: Frame) -> int:
    if keep < frame.special:
        raise NoRoom(frame.special)
    return keep - frame.special


def _shares(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how much of two lengths fits: the longer one is cut down to the shorter before both are, alike."""
    least = room // 2
    if first <= second:
        return (first, room - first) if first <= least else (least, room - least)
    return (room - second, second) if second <= least else (room - least, least)
