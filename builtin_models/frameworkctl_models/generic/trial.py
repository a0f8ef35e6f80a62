"""Compares a model run as it will be, several sequences in one forward, with transformers' own run of each alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from frameworkctl.interfaces import ConfigError
from torch import Tensor, nn

from .interface import NAME, Call, answering
from .probe import Run

LENGTHS = (9, 6)
FIRST = (5, 4)  # of these many tokens in a first step, the others in a second
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.02}  # of the largest logit


class _Dense:
    """Plain attention per sequence over keys and values that it keeps from step to step; ``counts`` are the step's."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self._kept: dict[tuple[nn.Module, int], tuple[Tensor, Tensor]] = {}

    def __call__(self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, call: Call) -> Tensor:
        outs = []
        parts = zip(*(torch.split(x, self.counts) for x in (query, key, value)), strict=True)
        for number, (q, k, v) in enumerate(parts):
            if (module, number) in self._kept:
                old_k, old_v = self._kept[module, number]
                k, v = torch.cat([old_k, k]), torch.cat([old_v, v])
            self._kept[module, number] = k, v
            outs.append(_attend(q, k, v, call))
        return torch.cat(outs)


def _attend(q: Tensor, k: Tensor, v: Tensor, call: Call) -> Tensor:
    """Return ``q [Q, H, D]`` are the last of ``k [S, K, D]`` and ``v [S, K, V]`` -> ``[Q, H, V]``."""
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
    scores = torch.einsum("qhd,shd->hqs", q.float(), k.float()) * call.scale
    if call.softcap is not None:
        scores = torch.tanh(scores / call.softcap) * call.softcap
    behind = torch.arange(k.shape[0] - q.shape[0], k.shape[0], device=q.device)[:, None]
    behind = behind - torch.arange(k.shape[0], device=q.device)[None]
    seen = behind >= 0 if call.window is None else (behind >= 0) & (behind < call.window)
    scores = scores.masked_fill(~seen, float("-inf"))
    if call.sinks is not None:
        scores = torch.cat([scores, call.sinks.float().view(-1, 1, 1).expand(-1, q.shape[0], 1)], dim=-1)
    weights = torch.softmax(scores, dim=-1)[..., : k.shape[0]]
    return torch.einsum("hqs,shd->qhd", weights, v.float()).to(q.dtype)


def compare(model: Any, run: Run, head: Callable[[Tensor], Tensor], device: torch.device) -> None:
    """Raise ConfigError if the logits differ: tokens of different sequences touch, positions are not heeded,
    attention does something that its arguments do not tell, or the head does."""
    generator = torch.Generator().manual_seed(0)
    vocab = model.config.get_text_config().vocab_size
    sequences = [torch.randint(vocab, (n,), generator=generator).to(device) for n in LENGTHS]
    want = _alone(model, sequences)
    got = _together(run, head, sequences)
    dtype = next(model.parameters()).dtype
    largest = max(float(w.abs().max()) for w in want)
    # The median over positions: rounding may send a token to another expert, a mistake shows everywhere.
    rows = torch.cat([(g - w).abs().amax(dim=-1)[1:] for g, w in zip(got, want, strict=True)])
    difference = float(rows.max() if dtype == torch.float32 else rows.median()) / max(largest, 1e-6)
    if not difference < TOLERANCE.get(dtype, 1e-3):
        raise ConfigError(
            f"{type(model).__name__} gives other logits in a batch than transformers gives each sequence alone"
            f" (by {difference:.2g} of the largest logit): its layers do more than its attention arguments say"
        )


def _alone(model: Any, sequences: list[Tensor]) -> list[Tensor]:
    model.set_attn_implementation("eager")
    try:
        return [model(input_ids=ids[None], use_cache=False, return_dict=True).logits[0].float() for ids in sequences]
    finally:
        model.set_attn_implementation(NAME)


def _together(run: Run, head: Callable[[Tensor], Tensor], sequences: list[Tensor]) -> list[Tensor]:
    """Return two steps, each a part of every sequence back to back."""
    dense = _Dense()
    rows: list[list[Tensor]] = [[] for _ in sequences]
    for begins, ends in ((tuple(0 for _ in FIRST), FIRST), (FIRST, LENGTHS)):
        dense.counts = [e - b for b, e in zip(begins, ends, strict=True)]
        spans = list(zip(sequences, begins, ends, strict=True))
        ids = torch.cat([s[b:e] for s, b, e in spans])
        positions = torch.cat([torch.arange(b, e, device=ids.device) for _, b, e in spans])
        with answering(dense):
            logits = head(run(ids, positions))
        for row, part in zip(rows, torch.split(logits, dense.counts), strict=True):
            row.append(part)
    return [torch.cat(row) for row in rows]
