"""Long texts: the ids of pieces are those of the whole text, and no more is read than is needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
from frameworkctl.text import pieces
from frameworkctl.text.batch_encoding import BatchEncoder
from frameworkctl.text.long_texts import LongTexts
from frameworkctl.text.pieces import Pieces, TextTooLong
from frameworkctl.text.tokenizer import TextTokenizer, load_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from support.checkpoints.tiny import build_tokenizer
from support.checkpoints.tokenizer_files import FORMS, write
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers

DIVIDE = ("tiny", "qwen2-vocab-merges", "bert-vocab-txt", "tekken", "tiktoken")
WHOLE = ("llama-bpe", "plain-bpe", "plain-unigram", "t5-unigram")
PARTS = st.sampled_from(
    [
        "the",
        "a",
        "x",
        "Fox",
        "quick",
        " ",
        "  ",
        "\n",
        "\t",
        "'s",
        "'",
        "12",
        "é",
        "e\u0301",
        "中",
        "名前",
        "🙂",
        "\u00a0",
        "<|im_end|>",
        "[SEP]",
        ".",
        "!?",
        "\r\n",
        "\u200d",
        "İ",
        "ß",
        "\u0301",
        "\x00",
        "s",
        "t ",
        " b",
    ]
)
TEXTS = st.lists(PARTS | st.text(max_size=3), max_size=60).map("".join) | st.lists(PARTS, max_size=60).map(" ".join)


@cache
def tokenizer(form: str) -> TextTokenizer:
    if form == "tiny":
        return TextTokenizer(build_tokenizer(), {})
    model_type, config, _ = FORMS[form]
    return load_tokenizer(write(form, Path(mkdtemp())), config or {}, model_type)


@pytest.fixture
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE", 7)


def ids_of(form: str, text: str) -> list[int]:
    """As the library gives them for the whole text."""
    return list(tokenizer(form).raw.encode(text, add_special_tokens=False).ids)


@pytest.mark.usefixtures("short_pieces")
@pytest.mark.parametrize("form", [*DIVIDE, *WHOLE])
def test_pieces_have_the_tokens_of_the_text(form: str) -> None:
    @settings(deadline=None, max_examples=150)
    @given(text=TEXTS, most=st.integers(0, 30), backwards=st.booleans())
    def check(text: str, most: int, backwards: bool) -> None:
        long, want = tokenizer(form).long, ids_of(form, text)
        assert long.ids(text, backwards=backwards) == (want, True)
        some, whole = long.ids(text, most=most, backwards=backwards)
        kept = min(most, len(want))
        assert whole is (some == want) or not want
        assert (some[len(some) - kept :] if backwards else some[:kept]) == (
            want[len(want) - kept :] if backwards else want[:kept]
        )
        divided = list(long.pieces.of(text, backwards=backwards))
        assert "".join(reversed(divided) if backwards else divided) == text

    check()


@pytest.mark.parametrize("form", DIVIDE)
def test_words_are_divided(form: str) -> None:
    made = tokenizer(form)
    assert made.long.pieces.divides
    text = "the quick brown fox " * 20_000
    assert max(map(len, made.long.pieces.of(text))) < pieces.PIECE + 20
    assert made.encode(text) == list(made.raw.encode(text).ids)  # with its special tokens


@pytest.mark.parametrize("form", WHOLE)
def test_what_cannot_be_divided_has_a_limit(form: str) -> None:
    made = tokenizer(form)
    assert not made.long.pieces.divides
    text = "the quick brown fox " * 5000
    assert made.encode(text) == list(made.raw.encode(text).ids)
    with pytest.raises(TextTooLong) as error:
        made.encode("ab " * pieces.WHOLE)
    assert (error.value.status, error.value.code) == (400, "text_too_long")


def test_a_word_without_end_has_a_limit_in_bytes() -> None:
    of = tokenizer("tiny").long.pieces.of
    for backwards in (False, True):
        for text in (
            "a" * (pieces.WHOLE + 1),
            "🙂" * (pieces.WHOLE // 4 + 1),
            "the fox " * 9999 + "." * 2 * pieces.WHOLE,
        ):
            with pytest.raises(TextTooLong):
                list(of(text, backwards=backwards))
    assert list(of("a" * pieces.WHOLE)) == ["a" * pieces.WHOLE]


@pytest.mark.parametrize("backwards", [False, True])
def test_no_more_is_read_than_is_kept(backwards: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    long, read = LongTexts(build_tokenizer()), []
    encode = LongTexts._encode
    monkeypatch.setattr(LongTexts, "_encode", lambda self, piece: read.append(len(piece)) or encode(self, piece))
    ids, whole = long.ids("the quick brown fox " * 100_000, most=50, backwards=backwards)
    assert len(ids) >= 50
    assert not whole
    assert sum(read) < pieces.PIECE + 20


CHANGED: dict[str, Callable[[Tokenizer], object]] = {
    "a token over two words": lambda t: t.add_tokens(["quick brown"]),
    "a token with a blank behind": lambda t: t.add_tokens(["fox "]),
    "a token that eats blanks": lambda t: t.add_tokens([AddedToken("fox", rstrip=True, normalized=False)]),
    "a blank": lambda t: t.add_tokens([" "]),
    "words of lines": lambda t: setattr(t, "pre_tokenizer", pre_tokenizers.Split("\n", "isolated")),
    "no words": lambda t: setattr(t, "pre_tokenizer", None),
    "an unknown normalizer": lambda t: setattr(t, "normalizer", normalizers.Replace("a b", "ab")),
}


@pytest.mark.parametrize("name", CHANGED)
def test_who_could_see_a_cut_is_not_divided(name: str) -> None:
    made = build_tokenizer()
    assert Pieces(made).divides
    CHANGED[name](made)
    assert not Pieces(made).divides


@pytest.mark.usefixtures("short_pieces")
@settings(deadline=None, max_examples=60)
@given(texts=st.lists(TEXTS, min_size=1, max_size=4), keep=st.integers(2, 12), left=st.booleans())
def test_cut_as_if_all_were_read(texts: list[str], keep: int, left: bool) -> None:
    """Batches, pairs and cut texts: long texts get what short ones get, which other tests compare with transformers."""
    made = tokenizer("bert-vocab-txt")
    ours, side = BatchEncoder(made.raw), "left" if left else "right"
    pairs = [(text, texts[0]) for text in texts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("frameworkctl.text.batch_encoding.PIECE", 1 << 30)
        patch.setattr(pieces, "PIECE", 1 << 30)
        want = list(ours.encode(texts, keep=keep, side=side)), ours.cut_texts(texts, keep)
        wanted_pairs = list(ours.encode_pairs(pairs, keep=keep + 1, side=side))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("frameworkctl.text.batch_encoding.PIECE", 7)
        patch.setattr("frameworkctl.text.batch_encoding.SLICE", 7)
        assert (list(ours.encode(texts, keep=keep, side=side)), ours.cut_texts(texts, keep)) == want
        assert list(ours.encode_pairs(pairs, keep=keep + 1, side=side)) == wanted_pairs
