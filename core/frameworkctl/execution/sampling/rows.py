"""Sampling parameters of the batch's rows as arrays, so that a step works on all rows at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from frameworkctl.scheduling.plan import NewSequence

from .bad_words import BadWords
from .sparse_rows import SparseRows

_FLOATS = (
    "temperature",
    "top_p",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
)


class SamplingRows:
    """One entry per row. ``bias`` holds logit biases, ``ends`` the ids forbidden until ``min_tokens`` are out,
    ``allowed`` the only ids that are not forbidden, ``logprob_ids`` those whose logprobs are told.
    """

    def __init__(self, max_seqs: int, device: torch.device) -> None:
        self.temperature = np.zeros(max_seqs, dtype=np.float32)
        self.top_p = np.ones(max_seqs, dtype=np.float32)
        self.min_p = np.zeros(max_seqs, dtype=np.float32)
        self.presence_penalty = np.zeros(max_seqs, dtype=np.float32)
        self.frequency_penalty = np.zeros(max_seqs, dtype=np.float32)
        self.repetition_penalty = np.ones(max_seqs, dtype=np.float32)
        self.top_k = np.zeros(max_seqs, dtype=np.int64)
        self.seed = np.zeros(max_seqs, dtype=np.int64)
        self.min_tokens = np.zeros(max_seqs, dtype=np.int64)
        self.logprobs = np.full(max_seqs, -1, dtype=np.int64)  # -1: none
        self.penalized = np.zeros(max_seqs, dtype=np.bool_)
        self.bias = SparseRows(device)
        self.ends = SparseRows(device)
        self.allowed = SparseRows(device)
        self.bad_words = BadWords(device)
        self.logprob_ids: dict[int, list[int]] = {}

    def _arrays(self) -> list[np.ndarray]:
        return [v for v in vars(self).values() if isinstance(v, np.ndarray)]

    def add(self, row: int, new: NewSequence, prompt: Sequence[int], output: Sequence[int]) -> None:
        params = new.params
        for name in _FLOATS:
            getattr(self, name)[row] = getattr(params, name)
        self.top_k[row], self.min_tokens[row] = params.top_k, params.min_tokens
        self.seed[row] = np.array(new.seed & (2**64 - 1), dtype=np.uint64).astype(np.int64)
        self.logprobs[row] = -1 if params.logprobs is None else params.logprobs
        self.penalized[row] = (
            params.presence_penalty != 0 or params.frequency_penalty != 0 or params.repetition_penalty != 1
        )
        single = [word[0] for word in params.bad_words if len(word) == 1]
        if params.logit_bias or single:
            bias = params.logit_bias or {}
            self.bias.set(row, [*bias, *single], [*bias.values(), *[float("-inf")] * len(single)])
        if len(single) < len(params.bad_words):
            self.bad_words.put(row, [word for word in params.bad_words if len(word) > 1])
        if params.allowed_token_ids is not None:
            self.allowed.set(row, params.allowed_token_ids, [0.0] * len(params.allowed_token_ids))
        if params.logprob_token_ids:
            self.logprob_ids[row] = list(params.logprob_token_ids)
        # Ends are forbidden until then even where ignore_eos lets them pass later, as in the reference server.
        ends = {i for i in (*params.stop_token_ids, *params.eos_token_ids) if i >= 0}
        if params.min_tokens and ends:
            self.ends.set(row, ends, [float("-inf")] * len(ends))

    def clear(self) -> None:
        for lists in (self.bias, self.ends, self.allowed, self.bad_words):
            lists.clear()
        self.logprob_ids.clear()

    def remove(self, row: int) -> None:
        for lists in (self.bias, self.ends, self.allowed, self.bad_words):
            lists.remove(row)
        self.logprob_ids.pop(row, None)

    def move(self, src: int, dst: int) -> None:
        for array in self._arrays():
            array[dst] = array[src]
        for lists in (self.bias, self.ends, self.allowed, self.bad_words):
            lists.move(src, dst)
        if src in self.logprob_ids:
            self.logprob_ids[dst] = self.logprob_ids.pop(src)
