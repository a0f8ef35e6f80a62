"""Many texts, or pairs of them, to token ids at once; cut so that the tokenizer's special tokens stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tokenizers import Encoding, Tokenizer

Side = Literal["left", "right"]


# Classes of transformers' tokenizers that tell the two texts of a pair apart: their models have seen token types.
WITH_TYPES = frozenset(
    {"BertTokenizer", "DebertaTokenizer", "DebertaV2Tokenizer", "DPRQuestionEncoderTokenizer", "ElectraTokenizer",
     "FNetTokenizer", "LayoutLMv2Tokenizer", "LxmertTokenizer", "MobileBertTokenizer"}
)  # fmt: skip


def gives_token_types(config: Mapping[str, Any]) -> bool:
    """Whether transformers gives token types with the tokenizer of this tokenizer_config.json.

    ``model_input_names`` says it, or else the class; where none is named, the tokenizer's own template.
    """
    inputs, name = config.get("model_input_names"), config.get("tokenizer_class")
    if isinstance(inputs, list):
        return "token_type_ids" in inputs
    return not isinstance(name, str) or name.removesuffix("Fast") in WITH_TYPES


class NoRoom(ValueError):
    """What is to be kept is not even as much as the special tokens; ``args[0]`` is how many those are."""


class BatchEncoder:
    """Thread-safe: texts are cut by us, not by settings of the tokenizer. ``side`` is where, unless a call says."""

    def __init__(self, tokenizer: Tokenizer, side: Side = "right") -> None:
        self._tokenizer, self.side = tokenizer, side

    def encode(
        self,
        texts: Sequence[str],
        *,
        add_special_tokens: bool = True,
        keep: int | None = None,
        side: Side | None = None,
    ) -> list[list[int]]:
        """Token ids of each text, at most ``keep``. Raises NoRoom."""
        if keep is None:
            return [e.ids for e in self._batch(texts, add_special_tokens)]
        room = self._room(keep, pair=False) if add_special_tokens else keep
        out = []
        for encoding in self._batch(texts, special=False):
            self._cut(encoding, room, side)
            out.append(self._tokenizer.post_process(encoding, None, add_special_tokens).ids)
        return out

    def encode_pairs(
        self, pairs: Sequence[tuple[str, str]], *, keep: int | None = None, side: Side | None = None
    ) -> list[tuple[list[int], int]]:
        """Token ids of each pair, and where its second text begins (0 where the tokenizer does not tell them apart).

        ``keep`` of them are kept: of the longer text as many as it takes go first. Raises NoRoom.
        """
        seconds = self._batch([second for _, second in pairs], special=False)
        unique = list(dict.fromkeys(first for first, _ in pairs))
        firsts = dict(zip(unique, self._batch(unique, special=False), strict=True))
        room = None if keep is None else self._room(keep, pair=True)
        out = []
        for (text, _), second in zip(pairs, seconds, strict=True):
            first = firsts[text]
            if room is not None and len(first) + len(second) > room:
                shares = _shares(len(first), len(second), room)
                if shares[0] < len(first):  # other pairs have the same first text
                    first = self._batch([text], special=False)[0]
                    self._cut(first, shares[0], side)
                self._cut(second, shares[1], side)
            whole = self._tokenizer.post_process(first, second, True)
            kinds = whole.type_ids
            out.append((whole.ids, kinds.index(1) if 1 in kinds else 0))
        return out

    def cut_texts(self, texts: Sequence[str], keep: int) -> list[str]:
        """Each text up to the end of its token number ``keep``, or of one before, so that it is no more tokens."""
        out = []
        for text, encoding in zip(
            texts, self._tokenizer.encode_batch(list(texts), add_special_tokens=False), strict=True
        ):
            out.append(text if len(encoding) <= keep else self._cut_text(text, encoding, keep))
        return out

    def _cut_text(self, text: str, encoding: Encoding, keep: int) -> str:
        """The longest beginning of the text, by ends of its tokens, that is ``keep`` tokens by itself.

        A character of several tokens may end behind the last that is kept, and a word cut short may take more.
        """
        ends = dict.fromkeys(end for _, end in reversed(encoding.offsets[:keep]))
        for cut in (text[:end] for end in ends):
            if len(self._tokenizer.encode(cut, add_special_tokens=False)) <= keep:
                return cut
        return ""

    def _batch(self, texts: Sequence[str], special: bool) -> list[Encoding]:
        """Without the interpreter lock, in parallel."""
        made: Any = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=special)
        return list(made)

    def _cut(self, encoding: Encoding, room: int, side: Side | None) -> None:
        if len(encoding) > room:
            encoding.truncate(room, direction=side or self.side)

    def _room(self, keep: int, *, pair: bool) -> int:
        special = self._tokenizer.num_special_tokens_to_add(pair)
        if keep < special:
            raise NoRoom(special)
        return keep - special


def _shares(first: int, second: int, room: int) -> tuple[int, int]:
    """How much of two lengths fits: the longer one is cut down to the shorter before both are, alike."""
    least = room // 2
    if first <= second:
        return (first, room - first) if first <= least else (least, room - least)
    return (room - second, second) if second <= least else (room - least, least)
