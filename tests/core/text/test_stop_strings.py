"""Stop strings: the same answers as looking through the whole text after every token."""

from __future__ import annotations

import itertools

import pytest
from frameworkctl.text.stop_strings import StopChecker
from hypothesis import given, settings
from hypothesis import strategies as st


def rescan(tokens: list[str], stop: list[str], include: bool, min_tokens: int) -> tuple[str, str | None, int]:
    """The rule, spelled out: after every token, the first-completed match that ends in that token's text."""
    text = ""
    for count, token in enumerate(tokens, 1):
        before, text = len(text), text + token
        if count <= min_tokens:
            continue
        for end in range(before + 1, len(text) + 1):
            for word in stop:
                if text[:end].endswith(word):
                    return text[: end if include else end - len(word)], word, count
    return text, None, len(tokens)


def stream(checker: StopChecker, tokens: list[str]) -> tuple[list[str], str | None, int]:
    out = []
    for count, token in enumerate(tokens, 1):
        text, word = checker.push(token, count)
        out.append(text)
        if word is not None:
            assert checker.push("more", count + 1) == ("", word)
            return [*out, checker.flush()], word, count
    return [*out, checker.flush()], None, len(tokens)


TEXT = st.text("ab", max_size=4)
WORDS = st.lists(st.text("ab", min_size=1, max_size=7), max_size=4)


@settings(max_examples=800, deadline=None)
@given(tokens=st.lists(TEXT, max_size=25), stop=WORDS, include=st.booleans(), min_tokens=st.integers(0, 12))
def test_agrees_with_rescanning(tokens: list[str], stop: list[str], include: bool, min_tokens: int) -> None:
    pieces, word, count = stream(StopChecker(stop, include_in_output=include, min_tokens=min_tokens), tokens)
    assert ("".join(pieces), word, count) == rescan(tokens, stop, include, min_tokens)


@settings(max_examples=500, deadline=None)
@given(tokens=st.lists(TEXT, max_size=25), stop=WORDS, include=st.booleans())
def test_holds_back_no_more_than_needed(tokens: list[str], stop: list[str], include: bool) -> None:
    checker, text, emitted = StopChecker(stop, include_in_output=include), "", ""
    for count, token in enumerate(tokens, 1):
        piece, word = checker.push(token, count)
        if word is not None:
            return
        text, emitted = text + token, emitted + piece
        open_ends = [size for word in stop for size in range(len(word)) if text.endswith(word[:size])]
        assert emitted == text[: len(text) - (0 if include else max(open_ends, default=0))]


@settings(max_examples=300, deadline=None)
@given(text=st.text("abc ", max_size=40), stop=WORDS, cuts=st.lists(st.integers(0, 40), max_size=10))
def test_does_not_depend_on_the_pieces(text: str, stop: list[str], cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(edges)]
    whole, word, _ = stream(StopChecker(stop), [text])
    parts, again, _ = stream(StopChecker(stop), pieces)
    assert ("".join(whole), word) == ("".join(parts), again)


def test_earliest_end_wins_and_then_the_order_of_the_list() -> None:
    assert StopChecker(["abcd", "bc"]).push("abcd", 1) == ("a", "bc")
    assert StopChecker(["bc", "abc"]).push("abc", 1) == ("a", "bc")
    assert StopChecker(["abc", "bc"]).push("abc", 1) == ("", "abc")


def test_what_follows_the_match_is_dropped() -> None:
    assert StopChecker(["b"]).push("abc", 1) == ("a", "b")
    assert StopChecker(["b"], include_in_output=True).push("abc", 1) == ("ab", "b")


def test_matches_within_the_first_tokens_do_not_count_but_may_begin_there() -> None:
    checker = StopChecker(["ab"], min_tokens=2)
    assert checker.push("ab", 1) == ("ab", None)
    assert checker.push("a", 2) == ("", None)
    assert checker.push("bc", 3) == ("", "ab")


def test_without_stop_strings_everything_passes() -> None:
    checker = StopChecker([])
    assert checker.push("abc", 1) == ("abc", None)
    assert checker.flush() == ""


def test_flush_releases_what_was_held() -> None:
    checker = StopChecker(["abcd"])
    assert checker.push("xabc", 1) == ("x", None)
    assert checker.flush() == "abc"
    assert checker.flush() == ""
    assert checker.push("d", 2) == ("d", None)


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        StopChecker(["a", ""])


@pytest.mark.parametrize("word", ["a" * 200_000 + "b", "ab" * 100_000 + "b", "é" * 200_000 + "b"])
def test_long_words_over_repetitive_text(word: str) -> None:
    """What is quadratic anywhere does not get through this in any reasonable time."""
    checker, piece = StopChecker([word, word[1:], word[2:]]), word[:2] * 2
    emitted = 0
    for count in range(1, 150_000):
        text, found = checker.push(piece, count)
        assert found is None
        emitted += len(text)
    text, found = checker.push("b" if word[0] != word[1] else "c", 150_000)
    assert emitted + len(text) + len(checker.flush()) + len(found or "") == 4 * 149_999 + 1
