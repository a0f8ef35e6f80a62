"""Results of ``LLM``, in the shape that vLLM gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frameworkctl.interfaces.endpoint import GenerateItem
from frameworkctl.interfaces.requests.outputs import Output, PromptLogprob, SampledLogprobs, TokenLogprob


@dataclass
class Logprob:
    """Of one token at one place. ``rank`` 1 is the most likely; None: not among those that were asked for."""

    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    """One of a prompt's continuations. ``logprobs``: per token a dict of token id -> Logprob, the token's own first."""

    index: int
    text: str
    token_ids: list[int]
    cumulative_logprob: float | None
    logprobs: list[dict[int, Logprob]] | None
    finish_reason: str | None = None
    stop_reason: int | str | None = None

    def finished(self) -> bool:
        return self.finish_reason is not None


@dataclass
class RequestOutput:
    """A prompt and its continuations. ``prompt`` is None where token ids were given, ``prompt_logprobs[0]`` always."""

    request_id: str
    prompt: str | None
    prompt_token_ids: list[int]
    prompt_logprobs: list[dict[int, Logprob] | None] | None
    outputs: list[CompletionOutput]
    finished: bool
    num_cached_tokens: int = 0


def request_output(request_id: str, item: GenerateItem, outputs: Sequence[Output], cached: int) -> RequestOutput:
    """Make the output of one item from its whole sequences, ordered by index."""
    scores: Any = outputs[0].prompt_logprobs if outputs else None
    return RequestOutput(
        request_id=request_id,
        prompt=item.prompt.text,
        prompt_token_ids=list(item.prompt.token_ids),
        prompt_logprobs=None if scores is None else [None, *map(_of_prompt, scores)],
        outputs=[_completion(o) for o in outputs],
        finished=all(o.finish_reason is not None for o in outputs),
        num_cached_tokens=cached,
    )


def _completion(output: Output) -> CompletionOutput:
    scores = output.logprobs
    return CompletionOutput(
        index=output.index,
        text=output.text,
        token_ids=output.token_ids,
        cumulative_logprob=None if scores is None else sum(s.sampled.logprob for s in scores),
        logprobs=None if scores is None else [_of_output(s) for s in scores],
        finish_reason=output.finish_reason,
        stop_reason=output.stop_reason,
    )


def _of_output(scores: SampledLogprobs) -> dict[int, Logprob]:
    own = scores.sampled
    return {own.token_id: Logprob(own.logprob, None, own.text), **_ranked(scores.top)}


def _of_prompt(scores: PromptLogprob) -> dict[int, Logprob]:
    own = scores.token
    found = {own.token_id: Logprob(own.logprob, None, own.text), **_ranked(scores.top)}
    found[own.token_id].rank = scores.rank
    return found


def _ranked(top: Sequence[TokenLogprob]) -> dict[int, Logprob]:
    return {t.token_id: Logprob(t.logprob, rank, t.text) for rank, t in enumerate(top, 1)}
