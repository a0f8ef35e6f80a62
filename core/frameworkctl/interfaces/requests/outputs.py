"""Results: outputs of sequences, their logprobs, usage, and the reply that is made of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal

import msgspec


class TokenLogprob(msgspec.Struct, frozen=True):
    """A token and the logarithm of its probability; ``text`` is what it stands for at its place in the output."""

    token_id: int
    text: str
    logprob: float


class SampledLogprobs(msgspec.Struct, frozen=True):
    """Logprobs at one output position: of the sampled token, and of the most likely ones, best first."""

    sampled: TokenLogprob
    top: tuple[TokenLogprob, ...]


class PromptLogprob(msgspec.Struct, frozen=True):
    """Logprob and rank (1: the most likely) of a prompt token after those before it, and the most likely ones there."""

    token: TokenLogprob
    rank: int
    top: tuple[TokenLogprob, ...]


FinishReason = Literal["stop", "length", "abort", "error"]


class Output(msgspec.Struct, kw_only=True):
    """News of one sequence since its last output; of a whole sequence in ``Formatter.final``.

    ``item`` is the index in ``Work.items``, ``index`` which of its n sequences. ``stop_reason`` is the stop string or
    stop token id that ended it; null for an end-of-sequence token and for other reasons. ``prompt_logprobs`` come with
    a sequence's first output: an entry per prompt token but the first, which nothing comes before.
    """

    item: int
    index: int
    text: str
    token_ids: list[int]
    logprobs: list[SampledLogprobs] | None = None
    finish_reason: FinishReason | None = None
    stop_reason: int | str | None = None
    prompt_logprobs: list[PromptLogprob] | None = None


class Usage(msgspec.Struct):
    """Tokens counted by core for one call, over all items and sequences."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class ServerEvent(msgspec.Struct, frozen=True):
    """A server-sent event with a name (``event:``) of its own."""

    name: str
    data: Any


Payload = msgspec.Struct | Mapping[str, Any] | bytes | ServerEvent  # what a stream is made of; core encodes and frames


class Reply(msgspec.Struct, kw_only=True):
    """An answer. ``body`` is sent as JSON unless it is bytes, the payloads of ``stream`` as server-sent events.

    ``done`` is a last event after the stream (``[DONE]`` for OpenAI's older families; None for none).
    """

    body: Any = None
    status: int = 200
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    media_type: str = "application/json"
    stream: AsyncIterator[Payload] | None = None
    done: bytes | None = b"[DONE]"
