"""Where a sequence stands that is held to a grammar."""

from __future__ import annotations

import logging
from collections import deque

from ..interfaces.structured import Matcher
from ..params import SamplingParams

log = logging.getLogger("frameworkctl.engine")

NO_TOKEN = "the grammar and the other fields of the request leave no token to go on with"


class Constrained:
    """A matcher that goes along with a sequence's output, from the token on at which the constraint begins.

    It belongs to the sequence, not to a row of the batch: preemption does not touch it.
    """

    __slots__ = ("_after", "_recent", "active", "ends", "matcher")

    def __init__(self, matcher: Matcher, params: SamplingParams) -> None:
        assert params.grammar is not None
        self.matcher = matcher
        self._after = params.grammar.after
        self._recent: deque[int] = deque(maxlen=len(self._after))
        self.active = not self._after
        eos = () if params.ignore_eos else params.eos_token_ids
        self.ends = tuple({i for i in (*eos, *params.stop_token_ids) if i >= 0})

    def advance(self, token: int) -> str | None:
        """Go on by a sampled token that ended nothing; returns why the request has to end, if it has to."""
        if self.active:
            try:
                return None if self.matcher.accept(token) else NO_TOKEN
            except Exception as e:  # noqa: BLE001
                return raised(e)
        self._recent.append(token)
        self.active = tuple(self._recent) == self._after
        return None

    @property
    def over(self) -> bool:
        """The output is complete, nothing can follow, and there is no token that would say so."""
        return self.active and not self.ends and self.matcher.must_end


def raised(error: Exception) -> str:
    """A matcher's mistake ends the requests that it is for, nobody else's."""
    log.error("a matcher failed", exc_info=error)
    return f"structured output failed: {type(error).__name__}: {error}"
