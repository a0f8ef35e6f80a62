"""Turns the logits of a step into tokens, for all rows at once.

Order of work: raw logprobs; allowed_token_ids, bad_words; min_tokens, logit_bias and processors that may change the
argmax; repetition, frequency and presence penalty; greedy rows are done; temperature; processors that keep the argmax;
min-p, top-k, top-p; draw.
"""

from __future__ import annotations

import msgspec
import numpy as np
import torch
from frameworkctl_kernels.protocol import Backend
from numpy.typing import NDArray
from torch import Tensor

from frameworkctl.execution.batch import PersistentBatch

from .drawing import draw
from .logits_processors import ProcessorSet
from .penalties import apply_penalties
from .randomness import uniform
from .rows import SamplingRows


class Logprobs(msgspec.Struct):
    """Of the rows that asked: logits as the model gave them ``[n, V]``, and how many of the top each wants.

    A logprob is a logit minus its row's ``norms [n, 1]``; ``top`` are the largest logits and their ids, ``[n, width]``.
    """

    places: list[int]  # rows of the logits
    raw: Tensor
    norms: Tensor
    top: tuple[Tensor, Tensor]
    wanted: list[int]
    of_ids: dict[int, list[int]] = {}  # places that want the logprobs of these ids instead


class Sampler:
    """Stateless but for what rows brought with them."""

    def __init__(
        self, batch: PersistentBatch, rows: SamplingRows, processors: ProcessorSet, ops: Backend | None = None
    ) -> None:
        self.batch, self.rows, self.processors, self.ops = batch, rows, processors, ops
        self.peaks: Tensor | None = None  # [L], what each row of the last call chose from at most; NaN if any is

    def sample(
        self, logits: Tensor, rows: NDArray[np.int64], ahead: NDArray[np.int64] | None = None
    ) -> tuple[Tensor, Logprobs | None]:
        """Return ``logits [L, V]`` float32, changed in place -> token ids ``[L]``; row i is batch row ``rows[i]``, and
        its place ``ahead[i]`` tokens behind the next one (drafts are between them; none unless said).
        """
        logprobs = self._raw_logprobs(logits, rows)
        self._change_argmax(logits, rows)
        random = np.flatnonzero(self.rows.temperature[rows] > 0)
        if len(random) == len(rows):
            tokens, self.peaks = self._draw(logits, rows, ahead)
            return tokens, logprobs
        tokens = logits.argmax(dim=-1)
        self.peaks = logits.gather(1, tokens[:, None])[:, 0]  # of a row with NaN, argmax is where that is
        if not len(random):
            return tokens, logprobs
        index = torch.from_numpy(random).to(logits.device)
        tokens[index], self.peaks[index] = self._draw(
            logits[index], rows[random], None if ahead is None else ahead[random]
        )
        return tokens, logprobs

    def _raw_logprobs(self, logits: Tensor, rows: NDArray[np.int64]) -> Logprobs | None:
        wanted = self.rows.logprobs[rows]
        places = np.flatnonzero(wanted >= 0)
        if not len(places):
            return None
        part = logits if len(places) == len(rows) else logits[torch.from_numpy(places).to(logits.device)]
        ids = self.rows.logprob_ids
        of_ids = {p: ids[int(rows[p])] for p in places.tolist() if int(rows[p]) in ids} if ids else {}
        norms, *top = self._top(part, int(wanted.max()))
        # What follows changes the logits in place.
        return Logprobs(
            places.tolist(), part.clone(), norms[:, None], (top[0], top[1]), wanted[places].tolist(), of_ids
        )

    def _top(self, logits: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``log sum exp [n]``, the largest logits ``[n, width]`` and their ids."""
        found = self.ops.top_logits(logits, width) if self.ops is not None else None
        if found is not None:
            return found
        return torch.logsumexp(logits, dim=-1), *torch.topk(logits, min(width, logits.shape[1]), dim=-1)

    def _change_argmax(self, logits: Tensor, rows: NDArray[np.int64]) -> None:
        state = self.rows
        if len(state.allowed):
            state.allowed.keep_only(logits, rows)
        if len(state.bad_words):
            state.bad_words.apply(logits, rows, self.batch)
        if len(state.ends):
            early = self.batch.known[rows] - self.batch.prompt_len[rows] < state.min_tokens[rows]
            state.ends.add_to(logits, rows, early)
        if len(state.bias):
            state.bias.add_to(logits, rows)
        self.processors.apply(logits, rows, changes_argmax=True)
        punished = np.flatnonzero(state.penalized[rows])
        if len(punished):
            self._penalize(logits, punished, rows[punished])

    def _penalize(self, logits: Tensor, at: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        def tensor(array: NDArray[np.generic]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(logits.device)

        known = self.batch.known[rows]
        history = self.batch.tokens[tensor(rows), : int(known.max())]
        apply_penalties(
            logits,
            tensor(at),
            history,
            tensor(known),
            tensor(self.batch.prompt_len[rows]),
            tensor(self.rows.repetition_penalty[rows]),
            tensor(self.rows.frequency_penalty[rows]),
            tensor(self.rows.presence_penalty[rows]),
        )

    def _draw(self, logits: Tensor, rows: NDArray[np.int64], ahead: NDArray[np.int64] | None) -> tuple[Tensor, Tensor]:
        """Return the tokens ``[L]`` and the largest logits ``[L]`` of their rows."""
        state = self.rows
        logits = logits.div_(torch.from_numpy(state.temperature[rows]).to(logits.device)[:, None])
        self.processors.apply(logits, rows, changes_argmax=False)
        peaks = logits.amax(dim=-1)
        sound = peaks.isfinite()
        # Sorting needs an order, which NaN has not: such a row gets any token, and its request ends. Only a CPU can
        # look before it draws at no cost.
        if logits.device.type != "cpu" or not sound.all():
            logits.masked_fill_(~sound[:, None], 0.0)
        place = self.batch.known[rows] - self.batch.prompt_len[rows]
        u = uniform(state.seed[rows], place if ahead is None else place + ahead)
        limits = state.top_k[rows], state.top_p[rows], state.min_p[rows]
        drawn = self.ops.draw(logits, *limits, u) if self.ops is not None else None
        return draw(logits, *limits, u) if drawn is None else drawn, peaks


def collect(logprobs: Logprobs, tokens: Tensor) -> dict[int, tuple[float, list[int], list[float]]]:
    """Row of the logits -> (logprob of its token, ids of the top, their logprobs), best first."""
    index = torch.as_tensor(logprobs.places, device=tokens.device)
    own = (logprobs.raw.gather(1, tokens[index][:, None]) - logprobs.norms)[:, 0].tolist()
    top_values, top_ids = (logprobs.top[0] - logprobs.norms).tolist(), logprobs.top[1].tolist()
    out = {
        place: (own[i], top_ids[i][:n], top_values[i][:n])
        for i, (place, n) in enumerate(zip(logprobs.places, logprobs.wanted, strict=True))
    }
    for place, chosen in logprobs.of_ids.items():
        i = logprobs.places.index(place)
        out[place] = (own[i], chosen, (logprobs.raw[i, chosen] - logprobs.norms[i]).tolist())
    return out
