"""Repetition, frequency and presence penalties, at the cost of a sequence's length rather than of the vocabulary."""

from __future__ import annotations

import torch
from torch import Tensor


def apply_penalties(
    logits: Tensor,
    at: Tensor,
    history: Tensor,
    known: Tensor,
    prompt_len: Tensor,
    repetition: Tensor,
    frequency: Tensor,
    presence: Tensor,
) -> None:
    """Change ``logits [L, V]`` in place in the rows ``at [n]``.

    ``history [n, W]`` int64 are each row's tokens, the first ``known [n]`` of them valid and the first ``prompt_len
    [n]`` of those its prompt; -1 is no token (an embedding). Repetition r: every id seen, prompt or output, has its
    logit divided by r where positive, else multiplied (Keskar et al. 2019). Frequency f: minus f per occurrence in the
    output. Presence p: minus p for ids that occur in the output (both as the OpenAI API documents).
    """
    flat = logits.view(-1)
    places = torch.arange(history.shape[1], device=logits.device)[None]
    seen = (places < known[:, None]) & (history >= 0)
    some = history.gather(1, seen.int().argmax(dim=1, keepdim=True))  # the first that is seen
    index = at[:, None] * logits.shape[1] + torch.where(seen, history, some.clamp(min=0))
    repetition = torch.where(some[:, 0] < 0, 1.0, repetition)  # nothing is seen
    # Ids that occur twice write the same value twice, so the order of writes does not matter.
    values = flat[index]
    flat[index] = torch.where(values > 0, values / repetition[:, None], values * repetition[:, None])
    output = seen & (places >= prompt_len[:, None])
    flat.index_add_(0, index.flatten(), (output * -frequency[:, None]).flatten())
    # Places outside the output repeat its first token; where there is no output yet nothing is subtracted.
    first = index.gather(1, prompt_len.clamp(max=history.shape[1] - 1)[:, None])
    index = torch.where(output, index, first)
    flat[index] = flat[index] - torch.where(known > prompt_len, presence, 0.0)[:, None]
