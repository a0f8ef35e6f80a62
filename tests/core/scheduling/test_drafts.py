"""Guesses by prompt lookup, held against the plainest search; and which sequences get any."""

from __future__ import annotations

from array import array
from typing import Any

import msgspec
import numpy as np
import pytest
from frameworkctl.interfaces import PoolParams, Speculator
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.speculation.drafts import Drafter
from frameworkctl.scheduling.speculation.ngram import NgramOptions
from frameworkctl.scheduling.speculation.prompt_lookup import Ngram, lookup
from hypothesis import given
from hypothesis import strategies as st
from support.engine.scheduling import make_sequence


def searched(tokens: list[int], most: int, least: int, longest: int) -> list[int]:
    """The longest ending that stood before: the last place with enough behind it, else the first."""
    for length in range(min(longest, len(tokens) - 1), least - 1, -1):
        ending = tokens[len(tokens) - length :]
        places = [i for i in range(length, len(tokens)) if tokens[i - length : i] == ending]
        if places:
            enough = [i for i in places if len(tokens) - i >= most]
            at = enough[-1] if enough else places[0]
            return tokens[at : at + most]
    return []


@given(
    tokens=st.lists(st.integers(0, 3), min_size=1, max_size=40),
    most=st.integers(1, 6),
    least=st.integers(1, 4),
    more=st.integers(0, 3),
)
def test_lookup(tokens: list[int], most: int, least: int, more: int) -> None:
    found = lookup(np.array(tokens, dtype=np.int32), most, least, least + more)
    assert found == searched(tokens, most, least, least + more)
    assert all(type(token) is int for token in found)


@pytest.mark.parametrize(
    ("given", "least", "most"), [({}, 5, 5), ({"prompt_lookup_max": 3}, 3, 3), ({"prompt_lookup_min": 2}, 2, 2)]
)
def test_lengths_of_what_is_looked_up(given: dict[str, int], least: int, most: int) -> None:
    options = msgspec.convert(given, NgramOptions)
    assert (options.prompt_lookup_min, options.prompt_lookup_max) == (least, most)
    tokens = np.array([*range(10), 77, *range(10 - most, 10)], dtype=np.int32)
    assert Ngram(options).propose([tokens], [1]) == [[77]]
    assert Ngram(options).propose([tokens[12 + most - least :]], [1]) == [[]]


@pytest.mark.parametrize("given", [{"prompt_lookup_min": 4, "prompt_lookup_max": 2}, {"prompt_lookup_max": -1}])
def test_lengths_that_cannot_be(given: dict[str, int]) -> None:
    with pytest.raises(msgspec.ValidationError, match="in this order"):
        msgspec.convert(given, NgramOptions)


class Always(Speculator):
    """Guesses one token over and over."""

    def __init__(self, token: Any = 7) -> None:
        super().__init__(None)
        self.token, self.asked = token, 0

    def propose(self, sequences: Any, most: Any) -> list[list[int]]:
        self.asked += 1
        return [[self.token] * 100 for _ in sequences]


def drafts(params: SamplingParams, token: Any = 7, **changes: Any) -> list[int]:
    """Of a sequence with three tokens of prompt and two of output, the last of which is not computed."""
    seq = make_sequence([1, 2, 3], params, groups=1, max_model_len=100)
    seq.tokens.extend(array("i", [4, 5]))
    seq.computed = seq.committed = 4
    for name, value in changes.items():
        setattr(seq, name, value)
    Drafter(Always(token), 4, vocab_size=10, long_after=changes.get("long_after")).propose([seq])
    return seq.drafts


PLAIN = SamplingParams(max_tokens=50)


def test_a_sequence_that_decodes_gets_drafts() -> None:
    assert drafts(PLAIN) == [7] * 4
    assert drafts(SamplingParams(max_tokens=50, temperature=0.5, top_k=3, top_p=0.5, min_p=0.1, seed=1)) == [7] * 4
    assert drafts(SamplingParams(max_tokens=50, stop=("x",), stop_token_ids=(3,), min_tokens=2)) == [7] * 4


@pytest.mark.parametrize(
    "wish",
    [
        {"logprobs": 0},
        {"presence_penalty": 0.1},
        {"frequency_penalty": 0.1},
        {"repetition_penalty": 1.1},
        {"bad_words": ((1, 2),)},
        {"processors": {"x": b"{}"}},
        {"logit_bias": {1: 1.0}},
        {"min_tokens": 3},
        {"allowed_token_ids": (1, 2)},
        {"logprob_token_ids": (1,)},
        {"prompt_logprobs": 1},
    ],
)
def test_none_where_more_than_logits_counts(wish: dict[str, Any]) -> None:
    assert drafts(SamplingParams(max_tokens=50, **wish)) == []


@pytest.mark.parametrize(
    "state",
    [
        {"computed": 3},
        {"computed": 5},
        {"pending": 1},
        {"input_open": True},
        {"constrained": object()},
        {"embeds": b""},
        {"pool": PoolParams("embed")},
        {"prompt_len": 5},
    ],
)
def test_none_where_it_does_not_decode_tokens(state: dict[str, Any]) -> None:
    assert drafts(PLAIN, **state) == []


def test_no_more_than_it_may_still_say() -> None:
    assert [len(drafts(PLAIN, limit=n)) for n in (6, 7, 8, 20)] == [0, 1, 2, 4]


def test_guesses_that_are_no_tokens(caplog: pytest.LogCaptureFixture) -> None:
    for token in (10, -1, "x", None):
        assert drafts(PLAIN, token) == []
    assert "Always.propose failed" in caplog.text
