"""Word boost against text: whatever is banned cannot be written, whatever is boosted is written next."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from frameworkctl.interfaces import ProcessorContext, RequestError
from frameworkctl_word_boost.plugin import WordBoost, prepare
from frameworkctl_word_boost.processor import WordBoostProcessor, begun
from hypothesis import given
from hypothesis import strategies as st

PIECES = ["a", "b", "ab", "ba", " ", " a"]


class Pieces:
    """Writes text in the longest pieces it knows, one id each."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        ids = []
        while text:
            piece = max((p for p in PIECES if text.startswith(p)), key=len)
            ids.append(PIECES.index(piece))
            text = text[len(piece) :]
        return ids


def served(limit: float = 20.0) -> SimpleNamespace:
    return SimpleNamespace(tokenizer=Pieces(), options={"word_boost_limit": limit})


def after(params: WordBoost, output: list[int]) -> torch.Tensor:
    """Return what the processor makes of six equal logits."""
    context = ProcessorContext(vocab_size=len(PIECES), max_rows=1, device=torch.device("cpu"), options={})
    return WordBoostProcessor(context).process(prepare(params, served()), [], output, torch.zeros(len(PIECES)))


def test_first_token_of_both_spellings_is_boosted() -> None:
    row = after(WordBoost(boost={"ab": 3.0}), [])
    assert row.tolist() == [0, 0, 3, 0, 0, 3]  # "ab", and " a" of " a" + "b"


def test_begun_word_is_continued() -> None:
    row = after(WordBoost(boost={"ab": 3.0}), [5])
    assert row.tolist() == [0, 3, 3, 0, 0, 0]


def test_lone_token_is_banned_always() -> None:
    row = after(WordBoost(ban=["ab"]), [])
    assert [i for i, value in enumerate(row.tolist()) if value == float("-inf")] == [2]


def test_longer_word_may_be_begun_but_not_finished() -> None:
    row = after(WordBoost(ban=["ab"]), [5])
    assert [i for i, value in enumerate(row.tolist()) if value == float("-inf")] == [1, 2]


@pytest.mark.parametrize("value", [20.5, -21.0, float("nan")])
def test_boost_beyond_the_limit_is_refused(value: float) -> None:
    with pytest.raises(RequestError) as error:
        prepare(WordBoost(boost={"a": value}), served(20.0))
    assert error.value.param == "extra_args.word_boost.boost.a"


@pytest.mark.parametrize("params", [WordBoost(boost={"": 1.0}), WordBoost(ban=["a", ""])])
def test_empty_words_are_refused(params: WordBoost) -> None:
    with pytest.raises(RequestError, match="empty word"):
        prepare(params, served())


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.lists(st.integers(0, 3), max_size=8))
def test_begun_is_every_overlap(ids: list[int], output: list[int]) -> None:
    assert set(begun(ids, output)) == {n for n in range(len(ids)) if output[len(output) - n :] == ids[:n]}


@given(st.lists(st.integers(0, len(PIECES) - 1), max_size=30), st.sampled_from(["ab", "ba", "aab"]))
def test_banned_spelling_is_never_completed(choices: list[int], word: str) -> None:
    """Whatever else the model picks, the ids of a banned word never stand in a row."""
    spellings = [Pieces().encode(text, add_special_tokens=False) for text in (word, f" {word}")]
    output: list[int] = []
    for choice in choices:
        if after(WordBoost(ban=[word]), output)[choice] > float("-inf"):
            output.append(choice)
    for ids in spellings:
        assert not any(output[i : i + len(ids)] == ids for i in range(len(output)))
