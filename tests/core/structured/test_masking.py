"""Masks on logits against the bits read one by one; and how much patterns may repeat."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from frameworkctl.execution.sampling.masks import apply_masks
from frameworkctl.structured.patterns import check_repeats


@pytest.mark.parametrize("vocab", [31, 32, 33, 320, 1001])
@pytest.mark.parametrize("places", [[0, 1, 2, 3], [2], [3, 0]])
def test_masks_keep_what_their_bits_say(vocab: int, places: list[int]) -> None:
    rng = np.random.default_rng(vocab)
    words = -(-vocab // 32)
    bits = rng.integers(-(2**31), 2**31, (len(places), words)).astype(np.int32)
    logits = torch.randn(4, vocab)
    expected = logits.clone()
    for row, place in enumerate(places):
        for token in range(vocab):
            if not (int(bits[row, token // 32]) >> (token % 32)) & 1:
                expected[place, token] = float("-inf")
    apply_masks(logits, places, bits)
    assert torch.equal(logits, expected)


@pytest.mark.parametrize(
    "pattern",
    [
        "a{1,1000}",
        "[a{9}]{100}",
        r"\{9999\}a{99}",
        "(a{3}b{4}){100}",
        "(a+)+b",
        "(.*a){50}",
        "a{100000}",
        "x{,5}",
        "(\\w{1,9} ){1,99}",
        "[]a{99}]{99}",
        "{",
        "a{b}",
        "(",
        ")",
        "[",
        "\\",
    ],
)
def test_patterns_that_may_be_tried(pattern: str) -> None:
    check_repeats(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "((a{1,1000}){1,1000}){1,1000}",
        "(a{500}){200}",
        "a{500}{200}",
        "(a{1,99}b){1,99}",
        "((a{20}){20}c){20}",
        "a{100001}",
        "a{1,99999999999999999999}",
        "(x|(y{100})+){60}",
    ],
)
def test_patterns_that_repeat_too_much(pattern: str) -> None:
    with pytest.raises(ValueError, match="repeats too much"):
        check_repeats(pattern)
