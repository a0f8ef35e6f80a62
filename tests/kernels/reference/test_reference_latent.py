"""Attention over latent vectors against the form with keys and values of every head, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from frameworkctl_kernels.protocol import GroupView, StepShape
from frameworkctl_kernels.reference.backend import ReferenceBackend
from torch import Tensor

BLOCK, PAGES = 4, 64
HEADS, RANK, NOPE, ROPE, VALUE = 3, 24, 10, 6, 14
DIM = RANK + ROPE
SCALE = (NOPE + ROPE) ** -0.5
SPARE = 64  # bytes at a page's end that belong to nobody


def expanded(q: Tensor, latent: Tensor, to_key: Tensor, to_value: Tensor, before: int) -> Tensor:
    """One sequence, in float64: ``q [Q, H, NOPE + ROPE]`` and ``latent [before + Q, DIM]`` -> ``[Q, H, VALUE]``."""
    c, rope = latent[:, :RANK].double(), latent[:, RANK:].double()
    keys = torch.cat([torch.einsum("hnr,sr->hsn", to_key.double(), c), rope.expand(HEADS, -1, -1)], dim=-1)
    values = torch.einsum("hvr,sr->hsv", to_value.double(), c)
    scores = torch.einsum("qhd,hsd->hqs", q.double(), keys) * SCALE
    ahead = torch.arange(len(latent))[None] > before + torch.arange(len(q))[:, None]
    return torch.einsum("hqs,hsv->qhv", scores.masked_fill(ahead, float("-inf")).softmax(-1), values)


def run(sequences: list[tuple[int, int]], dtype: torch.dtype = torch.float32, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(what the backend says, what is right) for sequences of (tokens before the step, tokens in it)."""
    torch.manual_seed(seed)
    backend = ReferenceBackend("cpu")
    lens = np.array([n for _, n in sequences], dtype=np.int32)
    totals = np.array([b + n for b, n in sequences], dtype=np.int32)
    used = -(-totals // BLOCK)
    table = np.zeros((len(lens), int(used.max()) + 1), dtype=np.int32)
    table[np.arange(table.shape[1])[None] < used[:, None]] = np.random.default_rng(seed).permutation(
        np.arange(1, PAGES)
    )[: used.sum()]
    pages = torch.full((PAGES, BLOCK * DIM * dtype.itemsize + SPARE), 255, dtype=torch.uint8)  # NaN, but for own pages
    pages[torch.from_numpy(table[table > 0]).long()] = 0
    cache = backend.view_latent_cache(pages, block_size=BLOCK, dim=DIM, dtype=dtype)
    to_key, to_value = torch.randn(HEADS, NOPE, RANK), torch.randn(HEADS, VALUE, RANK)
    queries, fresh, slots, want = [], [], [], []
    for s, (before, n) in enumerate(sequences):
        q, latent = torch.randn(n, HEADS, NOPE + ROPE), torch.randn(before + n, DIM).to(dtype)
        at = np.arange(before + n)
        slot = torch.from_numpy(table[s, at // BLOCK].astype(np.int64) * BLOCK + at % BLOCK)
        backend.write_latent(
            latent[:before], cache, GroupView("latent", BLOCK, None, 0, Tensor(), Tensor(), slot[:before])
        )
        queries.append(q)
        fresh.append(latent[before:])
        slots.append(slot[before:])
        want.append(expanded(q, latent, to_key, to_value, before))
    view = GroupView(
        "latent", BLOCK, None, table.shape[1], torch.from_numpy(totals), torch.from_numpy(table), torch.cat(slots)
    )
    q = torch.cat(queries)
    backend.plan(
        StepShape(len(q), len(lens), len(lens), int(lens.max()), bool((lens == 1).all()), lens, totals), [view]
    )
    backend.write_latent(torch.cat(fresh), cache, view)
    absorbed = torch.cat([torch.einsum("qhn,hnr->qhr", q[..., :NOPE], to_key), q[..., NOPE:]], dim=-1).to(dtype)
    out = torch.empty(len(q), HEADS, RANK, dtype=dtype)
    assert backend.latent_attention(absorbed, cache, 0, out, scale=SCALE) is out
    assert (pages[:, -SPARE:][torch.from_numpy(table[table > 0]).long()] == 0).all(), "wrote beyond a page's vectors"
    return torch.einsum("qhr,hvr->qhv", out.double(), to_value.double()), torch.cat(want)


CASES = {
    "decode": [(5, 1), (17, 1), (0, 1), (31, 1)],
    "one prefill": [(0, 23)],
    "continued prefill": [(13, 10)],
    "mixed": [(0, 7), (5, 1), (17, 1), (3, 9), (0, 1), (30, 2), (12, 0), (9, 3)],
}


@pytest.mark.parametrize("name", CASES)
def test_against_keys_and_values_of_every_head(name: str) -> None:
    got, want = run(CASES[name])
    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_random_batches(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sequences = [(int(rng.integers(0, 30)), int(rng.choice([0, 1, 1, 2, 5, 16]))) for _ in range(5)] + [(2, 3)]
    got, want = run(sequences, seed=seed)
    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


def test_half_precision() -> None:
    got, want = run(CASES["mixed"], torch.bfloat16)
    assert torch.nn.functional.cosine_similarity(got.flatten(), want.flatten(), dim=0) > 0.995


def test_pages_that_are_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="vectors"):
        ReferenceBackend("cpu").view_latent_cache(
            torch.zeros(4, 100, dtype=torch.uint8), block_size=4, dim=7, dtype=torch.float32
        )
