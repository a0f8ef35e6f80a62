"""Speculative decoding changes no token: greedy ones are transformers', drawn ones those of the same seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworkctl.errors import ConfigError
from frameworkctl.interfaces import Speculator
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.speculation.drafts import Drafter
from frameworkctl.testing import InProcessEngine, Parity, random_checkpoint
from scipy import stats
from support.checkpoints.tiny import make_checkpoint

pytest_plugins = ["frameworkctl.testing.fixtures"]
NGRAM = {"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 3, "prompt_lookup_min": 1}
REPEATING = [[5, 6, 7, 8] * 6, [9, 9, 9, 9, 9], [11, 12, 13, 14, 15, 11, 12, 13], [20, 21, 20, 21, 20]]


@pytest.fixture(params=["llama", "mistral", "gemma2"])
def checkpoint(request: pytest.FixtureRequest, checkpoints: dict[str, Path]) -> Path:
    """Full attention, windows, and both with soft caps."""
    return checkpoints[request.param]


def test_parity(parity: Parity) -> None:
    parity.check(speculative_config=NGRAM)


@pytest.fixture(scope="module")
def llama(checkpoints: dict[str, Path]) -> Path:
    return checkpoints["llama"]


def engines(folder: Path, **options: Any) -> tuple[InProcessEngine, InProcessEngine]:
    """With and without."""
    return InProcessEngine(folder, speculative_config=NGRAM, **options), InProcessEngine(folder, **options)


class Knows(Speculator):
    """Guesses the texts it is given, with a mistake in every seventh token."""

    def __init__(self, *texts: list[int]) -> None:
        super().__init__(None)
        self.texts = [[t + (i % 7 == 0) for i, t in enumerate(text)] for text in texts]
        self.right = texts

    def propose(self, sequences: Any, most: Any) -> list[list[int]]:
        out = []
        for tokens, n in zip(sequences, most, strict=True):
            at = next(i for i, text in enumerate(self.right) if text[: len(tokens)] == tokens.tolist())
            out.append(self.texts[at][len(tokens) : len(tokens) + n])
        return out


def drafts_of(engine: InProcessEngine, speculator: Speculator) -> Drafter:
    engine.scheduler.drafter = Drafter(speculator, 4, vocab_size=engine.info.vocab_size)
    return engine.scheduler.drafter


def test_greedy_tokens_in_fewer_steps(llama: Path) -> None:
    plain, drafting = InProcessEngine(llama), InProcessEngine(llama)
    params = SamplingParams(max_tokens=60, temperature=0.0, ignore_eos=True)
    wanted = plain.generate(REPEATING, params)
    drafter = drafts_of(drafting, Knows(*(p + text for p, text in zip(REPEATING, wanted, strict=True))))
    assert drafting.generate(REPEATING, params) == wanted
    assert drafter.drafted > drafter.accepted > 100
    assert drafting.steps < plain.steps // 2


def test_prompt_lookup_in_a_batch(llama: Path) -> None:
    drafting, plain = engines(llama)
    params = SamplingParams(max_tokens=60, temperature=0.0, ignore_eos=True)
    assert drafting.generate(REPEATING, params) == plain.generate(REPEATING, params)
    drafter = drafting.scheduler.drafter
    assert drafter is not None
    assert drafter.drafted > drafter.accepted > 0


@pytest.mark.parametrize("wish", [{}, {"top_k": 5}, {"top_p": 0.7}, {"min_p": 0.05, "top_p": 0.9}], ids=str)
def test_drawn_tokens_are_those_of_the_seed(llama: Path, wish: dict[str, Any]) -> None:
    drafting, plain = engines(llama)
    many = [SamplingParams(max_tokens=40, temperature=0.3, ignore_eos=True, seed=s, **wish) for s in range(12)]
    prompts = [REPEATING[i % 4] for i in range(12)]
    assert drafting.generate(prompts, many) == plain.generate(prompts, many)
    assert drafting.scheduler.drafter is not None
    assert drafting.scheduler.drafter.accepted > 0


def test_mixed_with_what_gets_no_drafts(llama: Path) -> None:
    """Penalties, logprobs and biases beside it: everybody gets what they get without."""
    drafting, plain = engines(llama, max_num_batched_tokens=24)
    base: dict[str, Any] = {"max_tokens": 30, "temperature": 0.0, "ignore_eos": True}
    wishes: list[dict[str, Any]] = [
        {},
        {"repetition_penalty": 1.3},
        {"logprobs": 2},
        {"logit_bias": {9: 5.0}},
        {"min_tokens": 10},
        {"presence_penalty": 0.5},
        {"stop_token_ids": tuple(range(100, 200))},
        {"bad_words": ((5, 6),)},
    ]
    many = [SamplingParams(**{**base, **wish}) for wish in wishes]
    prompts = [REPEATING[i % 4] for i in range(len(wishes))]
    assert drafting.generate(prompts, many) == plain.generate(prompts, many)
    told, wanted = ([e.logprobs for e in engine.events[3]] for engine in (drafting, plain))
    assert all(found is not None for found in told)
    np.testing.assert_allclose([t[0] for t in told], [w[0] for w in wanted], atol=1e-4)  # type: ignore[index]


class Always(Speculator):
    """Guesses one token."""

    def propose(self, sequences: Any, most: Any) -> list[list[int]]:
        return [[self.options] for _ in sequences]


def test_the_distribution_of_drawn_tokens(llama: Path) -> None:
    """Of the second token after the same first, over many seeds: what a draft stood for is drawn as often as its
    probability says, and so is what comes in its place."""
    engine = InProcessEngine(llama, max_num_seqs=64)
    engine.record_logits = True
    first = [SamplingParams(max_tokens=2, temperature=0.0, ignore_eos=True)]
    [[common, _]] = engine.generate([REPEATING[1]], first)
    top = engine.logits[1][1].topk(4)
    drafter = drafts_of(engine, Always(int(top.indices[1])))
    draws = 1500
    params = [SamplingParams(max_tokens=3, temperature=1.0, top_k=4, ignore_eos=True, seed=s) for s in range(draws)]
    engine.record_logits = False
    found = [text for text in engine.generate([REPEATING[1]] * draws, params) if text[0] == common]
    assert len(found) > 100
    assert 0 < drafter.accepted < drafter.drafted
    counts = [sum(text[1] == token for text in found) for token in top.indices.tolist()]
    assert sum(counts) == len(found)
    wanted = top.values.double().softmax(dim=-1).numpy() * len(found)
    assert stats.chisquare(counts, wanted).pvalue > 1e-4


def test_the_end_of_a_text_within_drafts(llama: Path) -> None:
    """Whatever is right behind it is not said."""
    drafting, plain = engines(llama)
    free = plain.generate(REPEATING, SamplingParams(max_tokens=40, temperature=0.0, ignore_eos=True))
    for length in (7, 8, 9, 10, 11):
        ends = [SamplingParams(max_tokens=40, temperature=0.0, stop_token_ids=(text[length],)) for text in free]
        short = [SamplingParams(max_tokens=length, temperature=0.0, ignore_eos=True) for _ in free]
        for params in (ends, short):
            assert drafting.generate(REPEATING, params) == plain.generate(REPEATING, params)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"num_speculative_tokens": 4}, "method None is not one of ngram"),
        ({"method": "eagle", "num_speculative_tokens": 4}, "method 'eagle' is not one of ngram"),
        ({"method": "ngram"}, "num_speculative_tokens must be a whole number from 1 on, got None"),
        ({"method": "ngram", "num_speculative_tokens": 0}, "from 1 on, got 0"),
        ({**NGRAM, "prompt_lookup_maxx": 3}, "prompt_lookup_maxx"),
        ({**NGRAM, "prompt_lookup_min": 4}, "in this order"),
    ],
)
def test_options_that_cannot_be(llama: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match="--speculative-config") as caught:
        InProcessEngine(llama, speculative_config=given)
    assert said in str(caught.value)


def test_not_with_steps_that_are_planned_ahead(llama: Path) -> None:
    with pytest.raises(ConfigError, match="--async-scheduling"):
        InProcessEngine(llama, speculative_config=NGRAM, async_scheduling=True)


def test_not_with_recurrent_state(tmp_path: Path) -> None:
    from transformers import JambaConfig

    config = JambaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        attn_layer_period=2,
        attn_layer_offset=1,
        num_experts=1,
        num_experts_per_tok=1,
    )
    with pytest.raises(ConfigError, match="recurrent state"):
        InProcessEngine(random_checkpoint(config, tmp_path), speculative_config=NGRAM)


def test_checkpoint_without_drafts(tmp_path: Path) -> None:
    assert InProcessEngine(make_checkpoint("llama", tmp_path)).scheduler.drafter is None
