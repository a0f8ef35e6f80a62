"""Beam search: the n most likely continuations, found over the engine's logprobs of one next token at a time.

Scores are sums of raw logprobs; a beam's rank is its score divided by ``length ** length_penalty``, where the length is
that of prompt and output without an end token, as vLLM has it. Every step sends whole beams, of which the prefix cache
knows all but the end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from frameworkctl.interfaces import (
    EngineScope,
    FinishReason,
    GenerateItem,
    Output,
    Prompt,
    SampledLogprobs,
    ServedModel,
    TokenLogprob,
    bad,
)

from .generation_fields import GenerationFields
from .structured_output import ResponseFormat

MAX_WIDTH = 128
MAX_PENALTY = 10  # lengths to the power of more leave the range of a float
# Fields that a search cannot honour, with the values that change nothing.
REFUSED: dict[str, tuple[Any, ...]] = {
    "stop": ([], ()),
    "stop_token_ids": ([],),
    "min_tokens": (0,),
    "presence_penalty": (0.0,),
    "frequency_penalty": (0.0,),
    "repetition_penalty": (1.0,),
    "top_k": (0, -1),
    "top_p": (1.0,),
    "min_p": (0.0,),
    "logit_bias": ({},),
    "bad_words": ([],),
    "allowed_token_ids": (),
    "prompt_logprobs": (),
    "logprob_token_ids": (),
    "extra_args": ({},),
    "logits_processors": ([],),
    "structured_outputs": (),
    "response_format": (ResponseFormat("text"),),
    "stream": (False,),
}


class Beam(msgspec.Struct, frozen=True):
    """Output tokens so far and the sum of their logprobs; ``steps`` is what each was chosen from, best first."""

    tokens: tuple[int, ...] = ()
    score: float = 0.0
    steps: tuple[tuple[tuple[int, float], ...], ...] = ()
    end: int | None = None  # the end token that finished it


class BeamSearch(msgspec.Struct, frozen=True):
    """Implements ``interfaces.Search``; ``width`` beams are kept and returned."""

    width: int
    length_penalty: float = 1.0

    async def run(self, item: GenerateItem, engine: EngineScope, model: ServedModel) -> AsyncGenerator[Output, None]:
        for index, beam in enumerate(await self._search(item, engine, model)):
            yield _output(index, beam, item, model)

    async def _search(self, item: GenerateItem, engine: EngineScope, model: ServedModel) -> list[Beam]:
        params = item.params
        ends = frozenset(() if params.ignore_eos else params.eos_token_ids)
        live, finished = [Beam()], list[Beam]()
        for _ in range(params.max_tokens):
            prompts = [[*item.prompt.token_ids, *beam.tokens] for beam in live]
            found = await engine.next_logprobs(prompts, 2 * self.width, item, model)
            grown = [
                _grown(beam, token, logprob, step, ends)
                for beam, step in zip(live, found, strict=True)
                for token, logprob in step
            ]
            finished += [beam for beam in grown if beam.end is not None]
            live = sorted((b for b in grown if b.end is None), key=lambda b: -b.score)[: self.width]
            if not live or self._decided(live, finished, len(item.prompt.token_ids), params.max_tokens):
                break
        return self._ranked(finished + live, len(item.prompt.token_ids))[: self.width]

    def _rank(self, score: float, length: int) -> float:
        return float(score / length**self.length_penalty)

    def _ranked(self, beams: list[Beam], prompt: int) -> list[Beam]:
        return sorted(beams, key=lambda b: -self._rank(b.score, prompt + len(b.tokens)))

    def _decided(self, live: list[Beam], finished: list[Beam], prompt: int, longest: int) -> bool:
        """Return whether no live beam can come to rank among the first: its score only falls, its length at most
        grows.
        """
        if len(finished) < self.width:
            return False
        last = self._ranked(finished, prompt)[self.width - 1]
        bar = self._rank(last.score, prompt + len(last.tokens))
        length = prompt + (longest if self.length_penalty > 0 else len(live[0].tokens))
        return all(self._rank(beam.score, length) < bar for beam in live)


def beam_search(
    request: GenerationFields,
    prompt: Prompt,
    model: ServedModel,
    values: dict[str, Any],
    *,
    default_max_tokens: int | None = None,
) -> GenerateItem:
    """Return the item of a request with ``use_beam_search``; ``values`` are its fields as ``ServedModel.sampling``
    takes them.

    Raises:
        RequestError: 400 for a width out of range and for fields that a search would have to ignore.
    """
    for name, harmless in REFUSED.items():
        value = getattr(request, name)
        if value is not None and value not in harmless:
            raise bad(name, f"{name} is not possible with use_beam_search.")
    if values.get("constraint") is not None:
        raise bad("use_beam_search", "use_beam_search is not possible with tools that the output is held to.")
    width = 1 if values.get("n") is None else values["n"]
    if not 1 <= width <= MAX_WIDTH:
        raise bad("n", f"n is the width of the beam search and must be in [1, {MAX_WIDTH}], got {width}.")
    params = model.sampling(prompt, {**values, "n": 1}, default_max_tokens=default_max_tokens)
    penalty = 1.0 if request.length_penalty is None else request.length_penalty
    if not -MAX_PENALTY <= penalty <= MAX_PENALTY:
        raise bad("length_penalty", f"length_penalty must be in [-{MAX_PENALTY}, {MAX_PENALTY}], got {penalty:g}.")
    return GenerateItem(
        prompt=prompt,
        params=params,
        search=BeamSearch(width, penalty),
        width=width,
        priority=request.priority or 0,
        cache_salt=request.cache_salt,
    )


def _grown(beam: Beam, token: int, logprob: float, step: tuple[tuple[int, float], ...], ends: frozenset[int]) -> Beam:
    if token in ends:
        return Beam(beam.tokens, beam.score + logprob, (*beam.steps, step), token)
    return Beam((*beam.tokens, token), beam.score + logprob, (*beam.steps, step))


def _output(index: int, beam: Beam, item: GenerateItem, model: ServedModel) -> Output:
    params, decode = item.params, model.tokenizer.decode
    shown = beam.end is not None and params.include_stop_str_in_output
    tokens = [*beam.tokens, beam.end] if shown and beam.end is not None else list(beam.tokens)
    logprobs = None
    if params.logprobs is not None:
        logprobs = [_logprobs(t, s, params.logprobs, model) for t, s in zip(tokens, beam.steps, strict=False)]
    reason: FinishReason = "length" if beam.end is None else "stop"
    return Output(
        item=0,
        index=index,
        text=decode(tokens, skip_special_tokens=params.skip_special_tokens and not shown),
        token_ids=tokens,
        logprobs=logprobs,
        finish_reason=reason,
        stop_reason=None if beam.end in (None, params.eos_token_ids[0]) else beam.end,
    )


def _logprobs(token: int, step: tuple[tuple[int, float], ...], count: int, model: ServedModel) -> SampledLogprobs:
    """Return the token and, as the reference server shows them, one more of the best than was asked for."""
    decode = model.tokenizer.decode
    chosen = TokenLogprob(token, decode([token]), dict(step)[token])
    return SampledLogprobs(chosen, tuple(TokenLogprob(t, decode([t]), value) for t, value in step[: count + 1]))
