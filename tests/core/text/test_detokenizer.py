"""Streams of tokens become the text that decoding them at once gives, and that the reference server gave."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from frameworkctl.text.detokenizer import REPLACEMENT, Detokenizer, Vocabulary
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

CORPUS = [
    "The quick brown fox jumps over the lazy dog. don't we're  two  spaces\n\ttab",
    "世界你好 天气很好 こんにちは 안녕하세요 ไทย мир žluťoučký naïve e\u0301o\u0308 a\u0327\u0301",
    "🎉🚀 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇯🇵 👍🏽 \u200d\ufe0f \u202ertl מילים مرحبا ∑∂√ ﷽",
]
TEXT = st.one_of(st.sampled_from(CORPUS), st.text(max_size=12), st.text("aé漢🎉\u0301\u200d \n\ufffd", max_size=12))
SPECIAL = [AddedToken(token, special=True) for token in ("<s>", "</s>", "<|im_end|>")]
ADDED = [AddedToken(token, normalized=False) for token in ("<tool>", " sp ace ", "ü漢▁Ġ", "[X]")]


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet))
    return with_added(tokenizer)


def byte_fallback(strip: bool) -> Tokenizer:
    words = ["▁the", "▁", "▁▁▁", "a", "▁a", "b", "漢", "é", "世界", "🎉", "\u0301", "▁fox", "x\ufffd", "\ufffd", "\n"]
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=0, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if strip else steps)
    return with_added(tokenizer)


def metaspace(scheme: str) -> Tokenizer:
    words = ["▁the", "▁", "▁▁▁", "a", "▁a▁", "b", "漢", "é", "▁fox", "\ufffd", "x y"]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in ["<unk>", *words]], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme)
    return with_added(tokenizer)


def word_piece() -> Tokenizer:
    words = ["the", "fox", "##es", "##s", "a", "don", "'", "t", ".", ",", "漢", "é", "##é", "do", "not", "n't", "!"]
    pieces = {piece: at for at, piece in enumerate(["[UNK]", *words])}
    tokenizer = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return with_added(tokenizer)


def no_decoder() -> Tokenizer:
    return with_added(Tokenizer(models.WordLevel({"<unk>": 0, "a": 1, "b c": 2, "é": 3}, unk_token="<unk>")))


def with_added(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens(ADDED)
    return tokenizer


VOCABULARIES = {
    "byte level": Vocabulary(byte_level()),
    "fallback": Vocabulary(byte_fallback(strip=False)),
    "fallback, strip": Vocabulary(byte_fallback(strip=True)),
    "metaspace": Vocabulary(metaspace("always")),
    "metaspace, never": Vocabulary(metaspace("never")),
    "word piece": Vocabulary(word_piece()),
    "no decoder": Vocabulary(no_decoder()),
}


@dataclass
class Case:
    vocabulary: Vocabulary
    prompt: list[int]
    ids: list[int]
    skip: bool
    cuts: list[int]

    def decode(self, ids: Sequence[int]) -> str:
        return self.vocabulary.tokenizer.decode(list(ids), skip_special_tokens=self.skip)

    def delta(self, count: int) -> str:
        """What decoding at once adds to the text of the prompt, for the first tokens."""
        shown, text = self.decode(self.prompt), self.decode([*self.prompt, *self.ids[:count]])
        # a character that the prompt leaves open is no part of the prompt's text once it is complete
        return text[len(shown if text.startswith(shown) else shown.rstrip(REPLACEMENT)) :]

    def stream(self, cuts: Sequence[int]) -> tuple[list[str], Detokenizer]:
        edges = [0, *sorted(min(cut, len(self.ids)) for cut in cuts), len(self.ids)]
        detokenizer = Detokenizer(self.vocabulary, self.prompt, skip_special_tokens=self.skip)
        pieces = [detokenizer.feed(self.ids[start:end]) for start, end in itertools.pairwise(edges)]
        return pieces, detokenizer


@st.composite
def cases(draw: Any, *names: str) -> Case:
    vocabulary = VOCABULARIES[draw(st.sampled_from(names))]
    encoded = TEXT.map(lambda text: vocabulary.tokenizer.encode(text, add_special_tokens=False).ids)
    anything = st.lists(st.integers(0, vocabulary.size + 2), max_size=12)
    rest = st.lists(st.sampled_from(sorted(vocabulary.added)), max_size=3)
    tokens = st.lists(st.one_of(encoded, anything, rest), max_size=4).map(lambda parts: [*itertools.chain(*parts)])
    cuts = st.lists(st.integers(0, 40), max_size=8)
    return Case(vocabulary, draw(tokens), draw(tokens), draw(st.booleans()), draw(cuts))


def runs_are_text(case: Case) -> bool:
    """Whether every run of byte tokens is valid: of the others, decoding at once gives up the valid parts too."""
    tokens = [case.vocabulary.tokenizer.id_to_token(id) or "" for id in [*case.prompt, *case.ids]]
    run = b""
    for token in [*(token for token in tokens if not (case.skip and token in ("<s>", "</s>", "<|im_end|>"))), "end"]:
        if token.startswith("<0x"):
            run += bytes.fromhex(token[3:5])
        elif token:
            try:
                run.decode()
            except UnicodeDecodeError:
                return False
            run = b""
    return True


def check(case: Case) -> None:
    counts = range(len(case.ids), -1, -1)
    certain = next((count for count in counts if not case.delta(count).endswith(REPLACEMENT)), 0)
    for cuts in (range(len(case.ids)), case.cuts, ()):
        pieces, detokenizer = case.stream(cuts)
        assert not any(piece.endswith(REPLACEMENT) for piece in pieces)
        assert "".join(pieces) == case.delta(certain)
        assert "".join(pieces) + detokenizer.finish(lossy=True) == case.delta(len(case.ids))
        assert case.stream(cuts)[1].finish() == ""


def test_the_way_of_decoding_is_recognized() -> None:
    tables = {name for name, vocabulary in VOCABULARIES.items() if vocabulary.has_table}
    assert tables == set(VOCABULARIES) - {"word piece", "no decoder"}


@settings(max_examples=250, deadline=None)
@given(cases("byte level"))
def test_byte_level(case: Case) -> None:
    check(case)


@settings(max_examples=250, deadline=None)
@given(cases("fallback", "fallback, strip").filter(runs_are_text))
def test_byte_fallback(case: Case) -> None:
    check(case)


@settings(max_examples=150, deadline=None)
@given(cases("metaspace", "metaspace, never"))
def test_metaspace(case: Case) -> None:
    check(case)


@settings(max_examples=150, deadline=None)
@given(cases("word piece", "no decoder"))
def test_tokenizers_without_a_table(case: Case) -> None:
    check(case)


@settings(max_examples=150, deadline=None)
@given(cases("fallback", "fallback, strip"))
def test_broken_runs_of_bytes(case: Case) -> None:
    """However the bytes are broken, the text does not depend on the pieces, and what follows is right."""
    texts = set()
    for cuts in (range(len(case.ids)), case.cuts, ()):
        pieces, detokenizer = case.stream(cuts)
        assert not any(piece.endswith(REPLACEMENT) for piece in pieces)
        word = case.vocabulary.tokenizer.token_to_id("▁fox")
        texts.add("".join(pieces) + detokenizer.feed([word, word]))
    assert len(texts) == 1
    assert texts.pop().endswith("fox fox")


@settings(max_examples=100, deadline=None)
@given(cases(*VOCABULARIES))
def test_the_table_path_agrees_with_asking_the_tokenizer(case: Case) -> None:
    assume(runs_are_text(case))  # else either way says more of them than decoding at once, each in its own way
    plain = Vocabulary(case.vocabulary.tokenizer)
    plain.recipe = None
    assert case.stream(())[0] == Case(plain, case.prompt, case.ids, case.skip, []).stream(())[0]


def test_bytes_that_nothing_can_complete_are_told_one_by_one() -> None:
    """ED A1 begins a surrogate: Python's incremental decoder waits for its third byte."""
    vocabulary = VOCABULARIES["byte level"]
    ids = [vocabulary.tokenizer.token_to_id(character) for character in "í¡!"]
    check(Case(vocabulary, [], ids, skip=False, cuts=[]))


@pytest.mark.parametrize("text", CORPUS)
def test_characters_come_whole(text: str) -> None:
    vocabulary = VOCABULARIES["byte level"]
    detokenizer = Detokenizer(vocabulary, ())
    pieces = [detokenizer.feed([id]) for id in vocabulary.tokenizer.encode(text).ids]
    assert "".join(pieces) == text
    assert not any(REPLACEMENT in piece for piece in pieces)


def byte_ids(name: str, data: bytes) -> list[int]:
    """The tokens of single bytes, none of them ASCII."""
    vocabulary = VOCABULARIES[name]
    ids = {piece: id for id in range(vocabulary.size) if isinstance(piece := vocabulary.pieces[id], bytes)}
    return [ids[bytes([byte])] for byte in data]


@pytest.mark.parametrize("name", ["byte level", "fallback"])
def test_the_prompt_may_leave_a_character_open(name: str) -> None:
    first, second = byte_ids(name, "界".encode()[:2]), byte_ids(name, "界".encode()[2:])
    detokenizer = Detokenizer(VOCABULARIES[name], first)
    assert detokenizer.feed(second) == "界"
    detokenizer = Detokenizer(VOCABULARIES[name], first)
    assert detokenizer.feed([VOCABULARIES[name].tokenizer.token_to_id("a")]) == "a"


@pytest.mark.parametrize("name", ["byte level", "fallback"])
def test_what_can_no_longer_become_a_character_is_replaced(name: str) -> None:
    a = VOCABULARIES[name].tokenizer.token_to_id("a")
    detokenizer = Detokenizer(VOCABULARIES[name], [a])
    assert detokenizer.feed(byte_ids(name, b"\xff")) == ""
    assert detokenizer.feed([a]) == REPLACEMENT + "a"
    assert detokenizer.feed(byte_ids(name, b"\xf0\x9f\x8e")) == ""
    assert detokenizer.finish() == ""


@pytest.mark.parametrize("name", ["byte level", "fallback"])
def test_endless_broken_bytes_stay_cheap(name: str) -> None:
    """What is held is bounded where holding costs time: a run this long would take minutes otherwise."""
    detokenizer = Detokenizer(VOCABULARIES[name], ())
    ids = byte_ids(name, b"\xe4") * 20_000
    text = "".join(detokenizer.feed([id]) for id in ids) + detokenizer.finish(lossy=True)
    assert text == REPLACEMENT * 20_000


def test_spaces_between_special_tokens() -> None:
    vocabulary = VOCABULARIES["word piece"]
    ids = [vocabulary.tokenizer.token_to_id(token) for token in ("the", "<s>", "</s>", "[X]", "fox", "<s>")]
    spaced = Detokenizer(vocabulary, (), skip_special_tokens=False)
    assert spaced.feed(ids) == "the <s> </s> [X] fox <s>"
    joined = Detokenizer(vocabulary, (), skip_special_tokens=False, spaces_between_special_tokens=False)
    assert "".join(joined.feed([id]) for id in ids) == "the <s></s>[X] fox <s>"


def test_ids_beyond_the_vocabulary_have_no_text() -> None:
    for vocabulary in VOCABULARIES.values():
        assert Detokenizer(vocabulary, [10**6]).feed([10**6]) == ""
        assert vocabulary.text_of(10**6) == ""


def test_a_decoder_that_only_looks_familiar_is_left_to_the_tokenizer() -> None:
    tokenizer = byte_level()
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Replace("a", "b")])
    vocabulary = Vocabulary(tokenizer)
    assert not vocabulary.has_table
    assert Detokenizer(vocabulary, ()).feed(tokenizer.encode("abc").ids) == "bbc"


def test_a_table_that_disagrees_is_dropped() -> None:
    class Odd:
        """A tokenizer whose decoding is not what its decoder says."""

        def __init__(self, tokenizer: Tokenizer) -> None:
            self._tokenizer = tokenizer

        def __getattr__(self, name: str) -> Any:
            return getattr(self._tokenizer, name)

        def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
            return self._tokenizer.decode(ids, skip_special_tokens).upper()

    vocabulary = Vocabulary(Odd(byte_level()))  # type: ignore[arg-type]
    assert not vocabulary.has_table
    assert Detokenizer(vocabulary, ()).feed(vocabulary.tokenizer.encode("abc").ids) == "ABC"


def test_token_texts_for_logprobs() -> None:
    for name in ("byte level", "fallback, strip"):
        vocabulary = VOCABULARIES[name]
        e4, b8, x96 = byte_ids(name, "世".encode())
        a = vocabulary.tokenizer.token_to_id("a")
        assert vocabulary.text_of(vocabulary.tokenizer.token_to_id("</s>")) == "</s>"
        assert [vocabulary.text_of(id, [a, e4, b8][:at]) for at, id in enumerate([a, e4, b8, x96])] == [
            "a",
            "",
            "",
            "世",
        ]
        assert vocabulary.text_of(x96, [a]) == ""
        assert vocabulary.text_of(x96) == ""
    strip = VOCABULARIES["fallback, strip"]
    assert strip.text_of(strip.tokenizer.token_to_id("▁the")) == " the"
