"""The whole sampler against exact probabilities: every parameter, alone and where its place in the order shows."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from frameworkctl.execution.sampling.masks import apply_masks
from frameworkctl.params import SamplingParams
from scipy import stats
from support.engine.sampling_bench import Bench

VOCAB, DRAWS = 12, 8_000
LOGITS = np.array([2.0, 1.5, 1.5, 0.3, 0.0, -0.5, -1.0, -1.2, -2.0, -3.0, -4.0, 1.4])
PROMPT, OUTPUT = [3, 11, 11, 5], [1, 5, 0, 1, 7]
EOS, STOP = 2, 4


def exact(params: SamplingParams, mask: set[int] | None = None) -> np.ndarray:
    """The distribution of the next token, id by id, in the order that the documentation gives."""
    x = LOGITS.copy()
    if mask is not None:
        x[[i for i in range(VOCAB) if i not in mask]] = -np.inf
    if params.allowed_token_ids is not None:
        x[[i for i in range(VOCAB) if i not in params.allowed_token_ids]] = -np.inf
    for *start, last in params.bad_words:
        if OUTPUT[len(OUTPUT) - len(start) :] == start:
            x[last] = -np.inf
    if len(OUTPUT) < params.min_tokens:
        x[[*params.eos_token_ids, *params.stop_token_ids]] = -np.inf
    for i, bias in (params.logit_bias or {}).items():
        x[i] += bias
    for i in range(VOCAB):
        if i in PROMPT or i in OUTPUT:
            x[i] = x[i] / params.repetition_penalty if x[i] > 0 else x[i] * params.repetition_penalty
        x[i] -= params.frequency_penalty * OUTPUT.count(i) + params.presence_penalty * (i in OUTPUT)
    x = x / params.temperature
    p = np.exp(x - x.max())
    p /= p.sum()
    p[p < params.min_p * p.max()] = 0
    if params.top_k:
        p[p < np.sort(p)[-params.top_k]] = 0
    p /= p.sum()
    order = np.argsort(-p, kind="stable")
    before = np.cumsum(p[order]) - p[order]
    p[order[before >= params.top_p]] = 0
    out: np.ndarray = p / p.sum()
    return out


PENALTIES = {"repetition_penalty": 1.7, "frequency_penalty": 0.6, "presence_penalty": -0.9}
CASES: dict[str, dict[str, Any]] = {
    "repetition_penalty": {"repetition_penalty": 1.7},
    "frequency_penalty": {"frequency_penalty": 0.8},
    "presence_penalty": {"presence_penalty": 1.1},
    "penalties together": PENALTIES,
    "penalties before temperature": {**PENALTIES, "temperature": 1.8},
    "penalties before top_k": {**PENALTIES, "top_k": 4},
    "logit_bias": {"logit_bias": {8: 3.0, 0: -2.0}},
    "logit_bias before penalties": {"logit_bias": {5: 2.5, 3: -1.0}, "repetition_penalty": 2.0},
    "logit_bias before temperature": {"logit_bias": {8: 3.0}, "temperature": 0.6},
    "logit_bias before min_p": {"logit_bias": {8: 5.0}, "min_p": 0.2},
    "bad_words": {"bad_words": ((0,), (7, 11), (1, 2), (0, 1, 7, 3))},
    "bad_words before top_k": {"bad_words": ((0,),), "top_k": 2},
    "bad_words and a bias for them": {"bad_words": ((0,), (7, 11)), "logit_bias": {0: 100.0, 11: 100.0}},
    "allowed_token_ids": {"allowed_token_ids": (3, 4, 5, 9)},
    "allowed_token_ids before top_p": {"allowed_token_ids": (3, 4, 5, 9), "top_p": 0.75},
    "allowed_token_ids and a bias for others": {"allowed_token_ids": (3, 4), "logit_bias": {0: 100.0}},
    "min_tokens not out": {"min_tokens": 6, "eos_token_ids": (EOS,), "stop_token_ids": (STOP,)},
    "min_tokens out": {"min_tokens": 5, "eos_token_ids": (EOS,), "stop_token_ids": (STOP,)},
    "min_tokens and a bias for the end": {"min_tokens": 9, "eos_token_ids": (EOS,), "logit_bias": {EOS: 100.0}},
    "all": {
        **PENALTIES,
        "temperature": 1.4,
        "logit_bias": {9: 2.0, 2: -0.5},
        "bad_words": ((7, 11), (8,)),
        "top_k": 6,
        "allowed_token_ids": (0, 1, 2, 4, 6, 8, 9, 11),
        "min_tokens": 9,
        "stop_token_ids": (STOP,),
        "top_p": 0.9,
        "min_p": 0.05,
    },
}
MASKS = {"": None, "a grammar": {1, 3, 4, 6, 9, 11}}


def counts(params: SamplingParams, mask: set[int] | None) -> np.ndarray:
    """Over as many seeds as draws: all rows of a batch, as engines have them."""
    rows = 1000
    found = np.zeros(VOCAB, dtype=np.int64)
    for first in range(1, DRAWS, rows):
        given = [(PROMPT, OUTPUT, msgspec.structs.replace(params, seed=first + i)) for i in range(rows)]
        logits = torch.tensor(LOGITS, dtype=torch.float32).repeat(rows, 1)
        if mask is not None:
            word = sum(1 << i for i in mask)
            apply_masks(logits, list(range(rows)), np.full((rows, 1), word, dtype=np.int32))
        tokens, _ = Bench(*given, vocab=VOCAB).sample(logits)
        found += np.bincount(tokens, minlength=VOCAB)
    return found


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", CASES)
def test_distribution(name: str, mask: str) -> None:
    params = SamplingParams(max_tokens=20, **CASES[name])
    want = exact(params, MASKS[mask])
    got = counts(params, MASKS[mask])
    assert got[want == 0].sum() == 0, got
    possible = want > 0
    if possible.sum() > 1:
        assert stats.chisquare(got[possible], want[possible] * got.sum()).pvalue > 1e-5, (got, want * got.sum())
    else:
        assert got[possible].sum() == got.sum()


def test_the_cases_tell_orders_apart() -> None:
    """Each "before" is another distribution the other way round, so the test above could see it."""
    base = exact(SamplingParams(max_tokens=20, repetition_penalty=2.0))
    biased = exact(SamplingParams(max_tokens=20, repetition_penalty=2.0, logit_bias={5: 2.5, 3: -1.0}))
    after = base * np.exp([2.5 if i == 5 else -1.0 if i == 3 else 0.0 for i in range(VOCAB)])
    assert np.abs(after / after.sum() - biased).max() > 0.01
    cut = exact(SamplingParams(max_tokens=20, bad_words=((0,),), top_k=2))
    assert (cut > 0).sum() == 2
    narrow = exact(SamplingParams(max_tokens=20, allowed_token_ids=(3, 4, 5, 9), top_p=0.75))
    assert 1 < (narrow > 0).sum() < 4
