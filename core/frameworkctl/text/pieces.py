"""Long texts in pieces whose tokens, one after the other, are exactly those of the whole text.

A text is cut before a single space between two ASCII letters. That is exact for tokenizers that end a word there and
tokenize words one by one: those whose normalizer and rule for words are of known kinds, and pass a trial. Other
tokenizers read a text as one piece, up to ``WHOLE`` bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tokenizers import Tokenizer

from frameworkctl.errors import RequestError

PIECE = 1 << 16  # characters of a piece, where it can be cut
WHOLE = 3 << 18  # bytes that are tokenized at a time at most: tokenizing takes up to 300 times as much memory
TEXT_TOO_LONG = "text_too_long"

_LETTER = "[A-Za-z]"
_CUT = re.compile(f"(?<={_LETTER}) (?={_LETTER})")
# Added tokens that a cut could change: with the place itself inside, or eating blanks next to a letter.
_CROSSES = re.compile(f"{_LETTER} {_LETTER}|{_LETTER} $|^ $")
_LETTER_AT_EDGE = re.compile(f"^{_LETTER}|{_LETTER}$")
_NORMALIZERS = frozenset({"Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "BertNormalizer"})
_WORDS = frozenset(
    {"Sequence", "ByteLevel", "Split", "Digits", "Punctuation", "BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
)
_TRIALS = (
    "a b c d",
    "the quick brown fox jumps",
    "I m don t we ll",
    "x Y Zz aB",
    "end. A b",
    "1a b2 c",
    "q  r s\n t u\tv w",
    "名a b字 c",
    "a b\u0301 c",
    "don't you'll a s",
    "aaa bbb ccc 12 dd",
    "<a b> [c d]",
)


class TextTooLong(RequestError):
    """A text that cannot be tokenized in bounded memory: HTTP 400."""

    def __init__(self, size: int, param: str | None = None) -> None:
        self.size = size
        super().__init__(
            f"{param or 'A text'} has more than {size} bytes without a place to divide it, and this model's tokenizer"
            f" reads no more at a time: send a shorter text.",
            param=param,
            code=TEXT_TOO_LONG,
        )


class Pieces:
    """Of one tokenizer. ``divides`` is true when texts can be cut."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.divides = _divides(tokenizer)

    def of(self, text: str, *, backwards: bool = False) -> Iterator[str]:
        """Yield the text in pieces, from its end when ``backwards``; each is cut only when the one before was taken.

        Raises:
            TextTooLong: a piece of more than ``WHOLE`` bytes cannot be cut.
        """
        if len(text) <= PIECE:
            yield text
        elif not self.divides:
            yield _whole(text)
        elif backwards:
            yield from _backwards(text)
        else:
            yield from _forwards(text)


def _forwards(text: str) -> Iterator[str]:
    begin = 0
    while begin < len(text):
        cut = _CUT.search(text, begin + PIECE, begin + PIECE + WHOLE)
        end = len(text) if cut is None else cut.start()
        yield _whole(text, begin, end)
        begin = end


def _backwards(text: str) -> Iterator[str]:
    end = len(text)
    while end > 0:
        begin = _last_cut(text, end - PIECE)
        yield _whole(text, begin, end)
        end = begin


def _last_cut(text: str, end: int) -> int:
    """Return the last place to cut before ``end``, or 0; looks at no more than may be in one piece."""
    width = 1 << 8
    while end > 0:
        begin = max(0, end - width)
        found = [cut.start() for cut in _CUT.finditer(text, begin, end + 2)]
        if found:
            return found[-1]
        if width > WHOLE:
            break
        end, width = begin, 2 * width
    return 0


def _whole(text: str, begin: int = 0, end: int | None = None) -> str:
    """Return a part of the text. Raises TextTooLong when it has too many bytes."""
    end = len(text) if end is None else end
    piece = text if end - begin == len(text) else text[begin : min(end, begin + WHOLE + 1)]
    if len(piece) > WHOLE or (not piece.isascii() and len(piece.encode("utf-8", "surrogatepass")) > WHOLE):
        raise TextTooLong(WHOLE)
    return piece


def _divides(tokenizer: Tokenizer) -> bool:
    for token in tokenizer.get_added_tokens_decoder().values():
        strips = token.lstrip or token.rstrip
        if _CROSSES.search(token.content) or (strips and _LETTER_AT_EDGE.search(token.content)):
            return False
    words = tokenizer.pre_tokenizer
    if words is None or not _kinds(words) <= _WORDS or not _kinds(tokenizer.normalizer) <= _NORMALIZERS:
        return False
    return all(_ends_words(words, text) and _same(tokenizer, text) for text in _TRIALS)


def _kinds(part: Any) -> set[str]:
    """Return the kinds of a normalizer or pre-tokenizer and of those inside it."""
    if part is None:
        return set()
    try:
        state = json.loads(part.__getstate__())
    except Exception:  # noqa: BLE001  one that is written in Python has no such form
        return {"unknown"}
    found, waiting = set(), [state]
    while waiting:
        one = waiting.pop()
        found.add(str(one.get("type")))
        waiting.extend(one.get("normalizers") or one.get("pretokenizers") or ())
    return found


def _ends_words(words: Any, text: str) -> bool:
    """Return whether no word reaches over a cut."""
    places = [place for _, place in words.pre_tokenize_str(text)]
    return not any(begin < cut.start() < end for cut in _CUT.finditer(text) for begin, end in places)


def _same(tokenizer: Tokenizer, text: str) -> bool:
    """Return whether no cut changes the tokens of a text."""
    whole = _ids(tokenizer, text)
    cuts = (cut.start() for cut in _CUT.finditer(text))
    return all(_ids(tokenizer, text[:cut]) + _ids(tokenizer, text[cut:]) == whole for cut in cuts)


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)
