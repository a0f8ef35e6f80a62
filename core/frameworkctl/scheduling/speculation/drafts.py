"""Drafts: tokens that a speculator guesses for sequences that decode, for the next step to verify."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np

from frameworkctl.interfaces.generation.speculation import Speculator
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.sequence import Sequence

log = logging.getLogger("frameworkctl.scheduling")


class Drafter:
    """Asks a speculator, and stands in for it where it fails: then there are no drafts. Counts what came of them."""

    def __init__(self, speculator: Speculator, most: int, *, vocab_size: int, long_after: int | None = None) -> None:
        self._speculator, self._most = speculator, most
        self._vocab_size, self._long_after = vocab_size, long_after
        self._told = False
        self.drafted = self.accepted = 0

    def propose(self, running: Iterable[Sequence]) -> None:
        """Set the drafts of all sequences; those left from before are forgotten."""
        asked: list[Sequence] = []
        room: list[int] = []
        for seq in running:
            seq.drafts = []
            most = self._room(seq)
            if most > 0:
                asked.append(seq)
                room.append(most)
        if not asked:
            return
        try:
            found = self._speculator.propose([np.array(s.tokens, dtype=np.int32) for s in asked], room)
            for seq, most, guess in zip(asked, room, found, strict=True):
                drafts = [int(token) for token in guess[:most]]
                if any(not 0 <= token < self._vocab_size for token in drafts):
                    raise ValueError(f"{drafts} are not all tokens")
                seq.drafts = drafts
        except Exception:
            if not self._told:
                self._told = True
                log.exception("%s.propose failed; where it does, nothing is guessed", type(self._speculator).__name__)

    def count(self, drafts: list[int], right: int) -> None:
        self.drafted += len(drafts)
        self.accepted += right

    def _room(self, seq: Sequence) -> int:
        """Return how many drafts a sequence can take: none unless all but its last token is computed and every token
        after is drawn from logits alone."""
        params = seq.params
        decodes = len(seq.tokens) - seq.computed == 1 and not seq.pending and seq.output_len > 0
        if not decodes or seq.output_len < params.min_tokens or not _plain(seq, params):
            return 0
        room = min(self._most, seq.limit - len(seq.tokens) - 1)
        if self._long_after is not None and not seq.long:
            room = min(room, self._long_after - len(seq.tokens))
        return room


def _plain(seq: Sequence, params: SamplingParams) -> bool:
    """Return whether the next token depends on nothing but the logits: no history, no grammar, no report of
    them.
    """
    return (
        params.logprobs is None
        and params.prompt_logprobs is None
        and not params.logprob_token_ids
        and params.presence_penalty == 0
        and params.frequency_penalty == 0
        and params.repetition_penalty == 1
        and not params.bad_words
        and not params.processors
        and params.logit_bias is None
        and params.allowed_token_ids is None
        and seq.constrained is None
        and seq.embeds is None
        and seq.pool is None
        and not seq.input_open
    )
