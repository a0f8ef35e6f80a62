"""Sampling against exact probabilities: each parameter, their order, seeds, penalties and biases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from frameworkctl.execution.sampling.drawing import MAX_PARTIAL_K, draw
from frameworkctl.execution.sampling.penalties import apply_penalties
from frameworkctl.execution.sampling.randomness import uniform
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.plan import StepPlan
from scipy import stats
from support.engine import sampling_bench

VOCAB = 12
DRAWS = 20_000
LOGITS = torch.tensor([2.0, 1.5, 1.5, 0.3, 0.0, -0.5, -1.0, -1.2, -2.0, -3.0, -4.0, 1.4])


def bench_of(*sequences: tuple[list[int], list[int], SamplingParams]) -> sampling_bench.Bench:
    return sampling_bench.Bench(*sequences, vocab=VOCAB)


def expected(params: SamplingParams, logits: torch.Tensor = LOGITS) -> np.ndarray:
    """The exact distribution, computed the long way: temperature, min-p, top-k, top-p."""
    p = torch.softmax(logits.double() / params.temperature, dim=-1).numpy()
    p = np.where(p >= params.min_p * p.max(), p, 0.0)
    if params.top_k:
        p = np.where(p >= np.sort(p)[-params.top_k], p, 0.0)
    p = p / p.sum()
    order = np.argsort(-p, kind="stable")
    before = np.cumsum(p[order]) - p[order]
    keep = order[before < params.top_p]
    out = np.zeros_like(p)
    out[keep] = p[keep]
    return out / out.sum()


CASES = {
    "plain": {},
    "cold": {"temperature": 0.3},
    "hot": {"temperature": 2.0},
    "top_k": {"top_k": 4},
    "top_k with a tie at its edge": {"top_k": 2},
    "top_k of all": {"top_k": VOCAB},
    "top_p": {"top_p": 0.8},
    "top_p of nearly nothing": {"top_p": 1e-6},
    "min_p": {"min_p": 0.3},
    "min_p of one": {"min_p": 1.0},
    "all at once": {"temperature": 1.3, "top_k": 6, "top_p": 0.7, "min_p": 0.1},
    "temperature before min_p": {"temperature": 2.0, "min_p": 0.5},
    "top_k before top_p": {"top_k": 3, "top_p": 0.6},
}


@pytest.mark.parametrize("name", CASES)
def test_distribution(name: str) -> None:
    params = SamplingParams(max_tokens=1, **CASES[name])
    want = expected(params)
    u = uniform(np.full(DRAWS, 7, dtype=np.int64), np.arange(DRAWS))
    n = DRAWS
    tokens = draw(
        (LOGITS / params.temperature).expand(n, -1).clone(),
        np.full(n, params.top_k),
        np.full(n, params.top_p, np.float32),
        np.full(n, params.min_p, np.float32),
        u,
    )
    counts = np.bincount(tokens.numpy(), minlength=VOCAB)
    assert counts[want == 0].sum() == 0
    if (want > 0).sum() > 1:
        assert stats.chisquare(counts[want > 0], want[want > 0] * DRAWS).pvalue > 1e-4


def test_rows_of_all_kinds_in_one_batch_draw_as_alone() -> None:
    """Greedy, partial sort, full sort and plain rows are worked on in different ways, and must not touch each other."""
    kinds = [
        {"temperature": 0.0},
        {"top_k": 3},
        {"top_p": 0.7},
        {},
        {"min_p": 0.2, "top_k": 2},
        {"top_k": 5, "top_p": 0.5},
    ]
    params = [SamplingParams(max_tokens=9, seed=11 + i, **kind) for i, kind in enumerate(kinds)]
    torch.manual_seed(0)
    logits = torch.randn(len(kinds), VOCAB)
    together, _ = bench_of(*[([1], [], p) for p in params]).sample(logits)
    for i, p in enumerate(params):
        assert bench_of(([1], [], p)).sample(logits[i : i + 1])[0] == [together[i]]


def test_large_vocabulary_with_large_k_sorts_everything() -> None:
    size = 3 * MAX_PARTIAL_K
    torch.manual_seed(1)
    logits = torch.randn(2, size)
    k = np.array([MAX_PARTIAL_K + 5, 7])
    for u in np.linspace(0, 0.999, 25):
        tokens = draw(logits.clone(), k, np.ones(2, np.float32), np.zeros(2, np.float32), np.full(2, u))
        for row in range(2):
            best = set(torch.topk(logits[row], int(k[row])).indices.tolist())
            assert int(tokens[row]) in best


def test_ties_do_not_depend_on_a_neighbour() -> None:
    """Many equal logits at the edge of top-k: all of them stay, and a neighbour's larger k changes nothing."""
    logits = torch.zeros(300)
    logits[7] = 3.0
    k, ones, none = np.array([2]), np.ones(1, np.float32), np.zeros(1, np.float32)
    alone = [int(draw(logits[None].clone(), k, ones, none, np.array([u]))) for u in np.linspace(0, 0.999, 40)]
    assert len(set(alone)) > 20
    for u, token in zip(np.linspace(0, 0.999, 40), alone, strict=True):
        pair = draw(
            torch.stack([logits, torch.arange(300.0)]),
            np.array([2, 200]),
            np.ones(2, np.float32),
            np.zeros(2, np.float32),
            np.array([u, 0.5]),
        )
        assert int(pair[0]) == token


def test_same_seed_same_tokens_whatever_the_neighbours() -> None:
    seeded = SamplingParams(max_tokens=9, seed=5)
    torch.manual_seed(2)
    own, others = torch.randn(1, VOCAB), torch.randn(7, VOCAB)
    alone = bench_of(([3], [4, 4], seeded)).sample(own)[0][0]
    crowd = [([1], [], SamplingParams(max_tokens=9, seed=100 + i)) for i in range(7)]
    tokens, _ = bench_of(*crowd, ([3], [4, 4], seeded)).sample(torch.cat([others, own]))
    assert tokens[-1] == alone


def test_seeds_and_positions_are_independent() -> None:
    """Uniform over seeds and over positions, and without correlation between neighbours."""
    seeds = uniform(np.arange(5000), np.zeros(5000, dtype=np.int64))
    places = uniform(np.zeros(5000, dtype=np.int64), np.arange(5000))
    negative = uniform(-np.arange(1, 5001), np.zeros(5000, dtype=np.int64))
    draws = uniform(np.arange(5000), np.zeros(5000, dtype=np.int64), draw=1)
    for values in (seeds, places, negative, draws):
        assert values.min() >= 0
        assert values.max() < 1
        assert stats.kstest(values, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(seeds[:-1], seeds[1:])[0, 1]) < 0.05
    assert abs(np.corrcoef(seeds, draws)[0, 1]) < 0.05
    assert abs(np.corrcoef(places, seeds)[0, 1]) < 0.05


def penalized(logits: list[float], prompt: list[int], output: list[int], r: float, f: float, p: float) -> list[float]:
    """The penalties, id by id."""
    out = list(logits)
    for i in set(prompt + output):
        out[i] = out[i] / r if out[i] > 0 else out[i] * r
    for i in set(output):
        out[i] -= f * output.count(i) + p
    return out


@pytest.mark.parametrize(
    ("prompt", "output", "r", "f", "p"),
    [
        ([1, 2, 2], [], 1.5, 0.7, 0.3),
        ([1, 2, 2], [2, 3, 3, 3], 1.5, 0.7, 0.3),
        ([0], [0, 0, 5], 0.8, -0.5, -1.5),
        ([4, 9], [9], 1.0, 0.0, 2.0),
        ([4, 9], [11, 0, 11], 1.0, 1.0, 0.0),
        ([7] * 20, [1] * 20, 2.0, 0.1, 0.1),
    ],
)
def test_penalties(prompt: list[int], output: list[int], r: float, f: float, p: float) -> None:
    """Two rows of different lengths at once; the row between them is left alone."""
    logits = torch.stack([LOGITS, LOGITS, LOGITS.flip(0)])
    width = max(len(prompt) + len(output), 3)
    history = torch.zeros(2, width, dtype=torch.int64)
    history[0, : len(prompt) + len(output)] = torch.tensor(prompt + output)
    history[1, :3] = torch.tensor([6, 6, 8])
    known = torch.tensor([len(prompt) + len(output), 3])
    prompts = torch.tensor([len(prompt), 1])
    apply_penalties(
        logits,
        torch.tensor([0, 2]),
        history,
        known,
        prompts,
        torch.tensor([r, 1.2]),
        torch.tensor([f, 0.4]),
        torch.tensor([p, 0.9]),
    )
    torch.testing.assert_close(logits[0], torch.tensor(penalized(LOGITS.tolist(), prompt, output, r, f, p)))
    assert torch.equal(logits[1], LOGITS)
    torch.testing.assert_close(logits[2], torch.tensor(penalized(LOGITS.flip(0).tolist(), [6], [6, 8], 1.2, 0.4, 0.9)))


def test_bias_min_tokens_and_penalties_in_their_order() -> None:
    """logit_bias comes before penalties, which scale what it made; min_tokens forbids every end, ignored or not."""
    bias = SamplingParams(max_tokens=9, temperature=0.0, logit_bias={3: 2.0}, repetition_penalty=2.0)
    ends = SamplingParams(
        max_tokens=9, temperature=0.0, min_tokens=2, eos_token_ids=(0,), stop_token_ids=(1,), ignore_eos=True
    )
    bench = bench_of(([3], [], bias), ([5], [6], ends), ([5], [6, 7], ends))
    tokens, _ = bench.sample(LOGITS.expand(3, -1))
    assert tokens == [0, 2, 0]  # (0.3 + 2) / 2 is below 2.0; 0 and 1 are forbidden, 2 is next; free again


def test_logprobs_are_raw_and_exact() -> None:
    """Of the model's own distribution, before penalties and temperature; the top by rank."""
    params = SamplingParams(max_tokens=9, temperature=0.0, logprobs=3, repetition_penalty=50.0)
    plain = SamplingParams(max_tokens=9, temperature=0.0)
    zero = SamplingParams(max_tokens=9, temperature=0.0, logprobs=0)
    bench = bench_of(([1], [], plain), ([0], [], params), ([2], [], zero))
    tokens, logprobs = bench.sample(LOGITS.expand(3, -1))
    raw = torch.log_softmax(LOGITS, dim=-1)
    assert set(logprobs) == {1, 2}
    own, ids, values = logprobs[1]
    assert tokens[1] == 1  # the penalty took 0
    assert own == pytest.approx(raw[1].item())
    assert ids[0] == 0
    assert set(ids) == {0, 1, 2}
    assert values == pytest.approx(sorted(raw.tolist(), reverse=True)[:3])
    assert logprobs[2] == (pytest.approx(raw[0].item()), [], [])


def test_seeded_request_is_the_same_alone_in_a_batch_and_after_preemption(checkpoints: dict[str, Path]) -> None:
    from frameworkctl.testing import InProcessEngine

    folder = checkpoints["llama"]
    params = SamplingParams(max_tokens=40, temperature=1.2, top_p=0.95, seed=42, ignore_eos=True)
    prompt = list(range(10, 30))
    alone = InProcessEngine(folder).generate([prompt], params)[0]
    crowd = [[i + 5] * 8 for i in range(12)]
    other = SamplingParams(max_tokens=40, temperature=1.0, seed=1, ignore_eos=True)
    batched = InProcessEngine(folder).generate([*crowd, prompt], [*[other] * 12, params])[-1]
    tight = InProcessEngine(folder, num_gpu_blocks_override=16, max_model_len=128)
    preempted = tight.generate([*crowd, prompt], [*[other] * 12, params])[-1]
    assert tight.scheduler.preemptions > 0
    assert alone == batched == preempted


def test_allowed_token_ids_and_bad_words() -> None:
    """Only allowed ids come; one-token words never; longer ones are never completed, and only the output counts."""
    greedy = {"max_tokens": 9, "temperature": 0.0}
    bench = bench_of(
        ([5, 1], [], SamplingParams(**greedy, allowed_token_ids=(4, 7, 7))),
        ([5, 1], [], SamplingParams(**greedy)),
        ([5, 1], [], SamplingParams(**greedy, bad_words=((0,), (1,)))),
        ([5, 1], [3, 1], SamplingParams(**greedy, bad_words=((3, 1, 0), (8, 1, 1)))),
        ([3, 1], [], SamplingParams(**greedy, bad_words=((3, 1, 0), (1, 0)))),
        ([5, 3], [1], SamplingParams(**greedy, bad_words=((3, 1, 0), (1, 1)))),
        ([5, 1], [9], SamplingParams(**greedy, bad_words=((9, 0), (1, 9, 1), (9, 1), (2,)))),
        ([5, 1], [], SamplingParams(**greedy, allowed_token_ids=(0, 1), bad_words=((0,),), logit_bias={2: 100.0})),
    )
    tokens, _ = bench.sample(LOGITS.repeat(8, 1))
    assert tokens == [4, 0, 2, 1, 0, 0, 11, 1]
    plan = StepPlan(2, [1, 4], [], [], [], [])  # rows move into the gaps
    bench.batch.apply(plan, (bench.rows, bench.processors))
    tokens, _ = bench.sample(LOGITS.repeat(6, 1))
    assert [tokens[bench.batch.row_of[i]] for i in (2, 3, 5, 6, 7, 8)] == [0, 2, 0, 0, 11, 1]


def test_logprobs_of_given_ids() -> None:
    bench = bench_of(
        ([1], [], SamplingParams(max_tokens=1, temperature=0.0, logprobs=1)),
        ([1], [], SamplingParams(max_tokens=1, temperature=0.0, logprobs=1, logprob_token_ids=(9, 2))),
    )
    _, logprobs = bench.sample(LOGITS.repeat(2, 1))
    exact = torch.log_softmax(LOGITS, dim=-1)
    assert logprobs[0][1] == [0]
    assert logprobs[1][1] == [9, 2]
    assert logprobs[1][2] == pytest.approx([float(exact[9]), float(exact[2])])
