"""The mask against the plain text: whatever the cuts, the word is gone and nothing else is."""

from __future__ import annotations

import itertools
import json

import pytest
from frameworkctl.interfaces import Output
from frameworkctl_secret_mask import Mask
from hypothesis import example, given
from hypothesis import strategies as st

WORD = "sesame"
ESCAPED = "".join(f"\\u{ord(c):04X}" for c in WORD)


def said(pieces: list[str], word: str = WORD, context: str = "") -> list[str]:
    """Return what is shown after each piece; the last one ends the text."""
    mask = Mask(word)
    if context:
        mask.begin(0, 0, context)
    reasons = [None] * (len(pieces) - 1) + ["stop"]
    return [
        mask.process(Output(item=0, index=0, text=piece, token_ids=[], finish_reason=reason)).text  # type: ignore[arg-type]
        for piece, reason in zip(pieces, reasons, strict=True)
    ]


def cut(text: str, places: set[int]) -> list[str]:
    marks = [0, *sorted(p for p in places if p < len(text)), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(marks)]


@given(st.text("sesame \\u0", max_size=40), st.sets(st.integers(0, 40)), st.lists(st.integers(0, 40), max_size=3))
@example("\\\\\\\\u", {1, 2, 3, 4}, [])
def test_every_cut_shows_the_same_and_never_the_word(text: str, places: set[int], inserted: list[int]) -> None:
    for at in inserted:
        text = text[:at] + WORD + text[at:]
    shown = "".join(said(cut(text, places)))
    assert shown == "".join(said([text]))
    assert WORD not in shown
    if WORD not in text and "\\" not in text:
        assert shown == text


@pytest.mark.parametrize("places", [set(), set(range(60)), *({p} for p in range(1, 60, 3))], ids=len)
def test_spellings_that_json_reads_as_the_word(places: set[int]) -> None:
    for inner in (ESCAPED, "se\\u0073ame", "\\u0073es\\u0061m\\u0065"):
        shown = "".join(said(cut(f'{{"a": "x{inner}y"}}', places)))
        assert json.loads(shown) == {"a": "x***y"}


def test_astral_characters_and_backslashes() -> None:
    assert said(list("a\\ud83d\\ude00b"), "\U0001f600")[-1] == "b"
    assert "".join(said(list("a\\ud83d\\ude00b"), "\U0001f600")) == "a***b"
    assert "".join(said(list(r"x a\nb"), r"a\nb")) == "x ***"


def test_nothing_is_held_longer_than_it_must() -> None:
    assert said(["s", "e", "s", "t", ".", " "]) == ["", "", "", "sest", ".", " "]
    assert said(["sesam", "e", ""]) == ["", "***", ""]
    assert said(["sesam", ""]) == ["", "sesam"]


def test_a_word_that_the_context_has_begun() -> None:
    assert said(["ame!", ""], context="open ses") == ["***!", ""]
    assert said(["am", "i", ""], context="open ses") == ["", "ami", ""]
    assert said(["x", ""], context="open sesame") == ["x", ""]


def test_sequences_are_apart() -> None:
    mask = Mask(WORD)
    for index, text, shown in [(0, "ses", ""), (1, "ame", "ame"), (0, "ame", "***")]:
        assert mask.process(Output(item=0, index=index, text=text, token_ids=[])).text == shown
