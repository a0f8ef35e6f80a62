"""Texts in batches: the ids that transformers gives, whole and cut, alone and in pairs; special tokens stay."""

from __future__ import annotations

from typing import Any

import psutil
import pytest
from frameworkctl.text.batch_encoding import SLICE, BatchEncoder, NoRoom, gives_token_types
from hypothesis import given, settings
from hypothesis import strategies as st
from support.checkpoints.tiny import build_tokenizer
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

CLS, SEP, EOS = 1, 4, 2
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "other", "things", "there"]
TEXTS = st.lists(st.sampled_from([*WORDS, "  ", "é", "x"]), max_size=12).map(" ".join)


def tokenizer(*, pairs: bool = True) -> Tokenizer:
    made: Tokenizer = build_tokenizer()
    if pairs:
        made.post_processor = TemplateProcessing(
            single="<|bos|> $A <|im_end|>",
            pair="<|bos|> $A <|im_end|> $B:1 <|im_end|>:1",
            special_tokens=[("<|bos|>", CLS), ("<|im_end|>", SEP)],
        )
    return made


@pytest.fixture(scope="module")
def ours() -> BatchEncoder:
    return BatchEncoder(tokenizer())


def theirs(side: str = "right") -> object:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=tokenizer(), pad_token="<|pad|>", truncation_side=side)


ORACLES = {}


def oracle(side: str) -> object:
    if side not in ORACLES:
        ORACLES[side] = theirs(side)
    return ORACLES[side]


@given(
    texts=st.lists(TEXTS, min_size=1, max_size=4),
    keep=st.none() | st.integers(2, 20),
    side=st.sampled_from(["left", "right"]),
)
@settings(deadline=None, max_examples=60)
def test_texts(ours: BatchEncoder, texts: list[str], keep: int | None, side: str) -> None:
    want = oracle(side)(texts, truncation=keep is not None, max_length=keep)["input_ids"]  # type: ignore[operator]
    assert list(ours.encode(texts, keep=keep, side=side)) == want  # type: ignore[arg-type]


@given(
    pairs=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4),
    keep=st.none() | st.integers(3, 24),
    side=st.sampled_from(["left", "right"]),
)
@settings(deadline=None, max_examples=60)
def test_pairs(ours: BatchEncoder, pairs: list[tuple[str, str]], keep: int | None, side: str) -> None:
    """The longer one loses tokens first; two pairs may share a text that is cut for one of them only."""
    pairs = [*pairs, (pairs[0][0], "there " * 9)]
    found = list(ours.encode_pairs(pairs, keep=keep, side=side))  # type: ignore[arg-type]
    firsts, seconds = zip(*pairs, strict=True)
    want = oracle(side)(
        list(firsts), list(seconds), truncation=keep is not None, max_length=keep, return_token_type_ids=True
    )  # type: ignore[operator]
    assert [ids for ids, _ in found] == want["input_ids"]
    for (ids, second), kinds in zip(found, want["token_type_ids"], strict=True):
        assert kinds == [int(at >= second) for at in range(len(ids))]


def test_what_is_cut_off_takes_no_memory(ours: BatchEncoder) -> None:
    """Two texts of many times what is kept: were their pieces put together, each with each, it would be a gigabyte."""
    before = psutil.Process().memory_info().rss
    [(ids, _)] = ours.encode_pairs([("a " * 800, "b " * 800)], keep=7)
    assert len(ids) == 7
    assert psutil.Process().memory_info().rss - before < 200 << 20


def test_a_text_of_many_pairs_is_read_once() -> None:
    read: list[str] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(made, name)

        def encode_batch(self, texts: list[str], **options: Any) -> Any:
            read.extend(texts)
            return made.encode_batch(texts, **options)

        def encode_batch_fast(self, texts: list[str], **options: Any) -> Any:
            read.extend(texts)
            return made.encode_batch_fast(texts, **options)

    made, query = tokenizer(), "the quick brown fox"
    encoder: Any = BatchEncoder(Counting())  # type: ignore[arg-type]
    list(encoder.encode_pairs([(query, f"the dog {i}") for i in range(20)], keep=8))
    encoder.cut_texts([query] * 20, 2)
    assert read.count(query) == 2


def test_more_than_is_read_at_a_time_comes_in_its_order(ours: BatchEncoder) -> None:
    texts = [f"the fox {i} " + "dog " * (SLICE // 40) for i in range(12)] + ["", "fox"]
    assert list(ours.encode(texts)) == [ids for text in texts for ids in ours.encode([text])]
    cut = ours.cut_texts(texts, 9)
    assert cut[-2:] == ["", "fox"]
    assert [text[:9] for text in cut[:-2]] == [f"the fox {i}"[:9] for i in range(12)]


def test_without_special_tokens(ours: BatchEncoder) -> None:
    [ids] = ours.encode(["the quick brown fox"], add_special_tokens=False)
    assert list(ours.encode(["the quick brown fox"], add_special_tokens=False, keep=2)) == [ids[:2]]
    assert CLS not in ids


def test_a_tokenizer_that_tells_no_texts_apart() -> None:
    [(ids, second)] = BatchEncoder(tokenizer(pairs=False)).encode_pairs([("the fox", "a dog")])
    assert second == 0
    assert ids


def test_what_is_kept_must_hold_the_special_tokens(ours: BatchEncoder) -> None:
    with pytest.raises(NoRoom) as e:
        list(ours.encode(["the fox"], keep=1))
    assert e.value.args == (2,)
    with pytest.raises(NoRoom):
        list(ours.encode_pairs([("the", "fox")], keep=2))


def test_texts_end_where_a_token_does(ours: BatchEncoder) -> None:
    text = "the quick brown fox"
    [cut] = ours.cut_texts([text], 2)
    assert text.startswith(cut)
    assert [*ours.encode([cut], add_special_tokens=False)] == [
        ids[:2] for ids in ours.encode([text], add_special_tokens=False)
    ]
    assert ours.cut_texts([text], 99) == [text]


def test_no_character_is_cut_in_two(ours: BatchEncoder) -> None:
    """An emoji is four bytes, each a token; what is left of a text is never more tokens than were asked for."""
    text = "the 🎉🎉"
    for keep in range(1, 9):
        [cut] = ours.cut_texts([text], keep)
        assert text.startswith(cut)
        [ids] = ours.encode([cut], add_special_tokens=False)
        assert len(ids) <= keep


@pytest.mark.parametrize(
    ("config", "has"),
    [
        ({}, True),
        ({"tokenizer_class": "BertTokenizerFast"}, True),
        ({"tokenizer_class": "TokenizersBackend"}, False),
        ({"tokenizer_class": "XLMRobertaTokenizer"}, False),
        ({"tokenizer_class": "TokenizersBackend", "model_input_names": ["input_ids", "token_type_ids"]}, True),
        ({"tokenizer_class": "BertTokenizer", "model_input_names": ["input_ids", "attention_mask"]}, False),
    ],
)
def test_token_types_are_given_where_transformers_gives_them(config: dict[str, Any], has: bool) -> None:
    assert gives_token_types(config) is has


@pytest.mark.parametrize("name", ["BertTokenizer", "MPNetTokenizer", "RobertaTokenizer", "TokenizersBackend"])
def test_classes_with_token_types_are_those_of_transformers(name: str) -> None:
    import transformers

    has = "token_type_ids" in getattr(transformers, name).model_input_names
    assert gives_token_types({"tokenizer_class": name}) is has
