"""End of a sequence by tokens and lengths, which the engine sees. Stop strings are the server's business."""

from __future__ import annotations

import msgspec

from .plan import PromptScores, Sampled, Vectors
from .sequence import Sequence


class Event(msgspec.Struct):
    """A new token of a sequence, or its end, or both; or scores of its prompt; or its end with its vectors."""

    seq: Sequence
    token: int | None
    logprobs: tuple[float, list[int], list[float]] | None
    reason: str | None
    stop_reason: int | None
    error: str | None
    scores: PromptScores | None = None
    refused: bool = False  # ``error`` is the request's own fault
    vectors: Vectors | None = None


def stop_reason(seq: Sequence, token: int) -> tuple[str | None, int | None]:
    """Return (finish reason, stop token id) after ``token`` was appended; the model's main end token has no id to
    report.
    """
    params = seq.params
    ends = () if params.ignore_eos else params.eos_token_ids
    if ends and token == ends[0]:
        return "stop", None
    if token in params.stop_token_ids or token in ends:
        return "stop", token
    if len(seq.tokens) >= seq.limit:
        return "length", None
    return None, None


def append_tokens(seq: Sequence, result: Sampled | None) -> int:
    """Give a sequence its new tokens, up to one that ends it; returns how many there are after the first."""
    if result is None or result.token is None or result.error is not None:
        return 0
    seq.tokens.append(result.token)
    for count, token in enumerate(result.more):
        if stop_reason(seq, seq.tokens[-1])[0] is not None:
            return count
        seq.tokens.append(token)
    return len(result.more)
