"""Scores of a prompt as the engine packs them, made into what formatters show."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence

from frameworkctl.engine.messages import PromptScores
from frameworkctl.interfaces.requests.outputs import PromptLogprob, TokenLogprob
from frameworkctl.text.detokenizer import CONTEXT, Vocabulary

FLOOR = -9999.0  # what JSON shows for minus infinity
LARGE = 4096  # tokens from which on a thread does the work, so that other streams do not wait


async def unpack(vocabulary: Vocabulary, prompt: Sequence[int], scores: Sequence[PromptScores]) -> list[PromptLogprob]:
    """Return one entry per prompt token but the first; where a preempted prompt was scored twice, either will do."""
    if sum(s.count * (s.width + 1) for s in scores) < LARGE:
        return _unpack(vocabulary, prompt, scores)
    return await asyncio.to_thread(_unpack, vocabulary, prompt, scores)


def _unpack(vocabulary: Vocabulary, prompt: Sequence[int], scores: Sequence[PromptScores]) -> list[PromptLogprob]:
    found: dict[int, PromptLogprob] = {}
    text_of = vocabulary.text_of
    for part in scores:
        own, values = array("f", part.own), array("f", part.values)
        ranks, ids = array("i", part.ranks), array("i", part.ids)
        for i in range(part.count):
            at = part.start + i
            context = prompt[max(0, at - CONTEXT) : at]
            token = TokenLogprob(prompt[at], text_of(prompt[at], context), max(own[i], FLOOR))
            top = tuple(
                TokenLogprob(ids[j], text_of(ids[j], context), max(values[j], FLOOR))
                for j in range(i * part.width, (i + 1) * part.width)
            )
            found[at] = PromptLogprob(token, ranks[i], top)
    return [found[at] for at in range(1, len(prompt))]
