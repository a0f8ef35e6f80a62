"""The place of a sequence in the grammar that constrains it, reasoning before the constraint included."""

from __future__ import annotations

import logging
from collections import deque
from typing import Literal

from ..interfaces.structured import Matcher
from ..params import SamplingParams

log = logging.getLogger("frameworkctl.engine")

NO_TOKEN = "the grammar and the other fields of the request leave no token to go on with"

# choosing: the output begins with reasoning or with what the grammar wants; opening: inside the text that begins
# reasoning; waiting: inside reasoning; active: the grammar holds.
State = Literal["choosing", "opening", "waiting", "active"]


class Constrained:
    """A matcher that goes along with a sequence's output, from the token on at which the constraint begins.

    Until then the sequence must not end: a demanded format that never begins would be lost. A constrained sequence
    belongs to its request, not to a row of the batch, so preemption does not touch it.
    """

    __slots__ = ("_after", "_opening", "_read", "_recent", "ends", "matcher", "state")

    def __init__(self, matcher: Matcher, params: SamplingParams) -> None:
        assert params.grammar is not None
        self.matcher = matcher
        self._after, self._opening = params.grammar.after, params.grammar.opening
        self._recent: deque[int] = deque(maxlen=len(self._after))
        self._read = 0  # tokens of the opening
        self.state: State = "active"
        if self._after:
            self.state = "choosing" if self._opening else "waiting"
        eos = () if params.ignore_eos else params.eos_token_ids
        self.ends = tuple({i for i in (*eos, *params.stop_token_ids) if i >= 0})

    @property
    def opening(self) -> int | None:
        """Return the token that would begin reasoning, or go on to begin it; None if it has begun or never will."""
        return self._opening[self._read] if self.state in ("choosing", "opening") else None

    @property
    def matches(self) -> bool:
        """Return whether the grammar has a say in the next token."""
        return self.state in ("choosing", "active")

    def advance(self, token: int) -> str | None:
        """Go on by a sampled token that ended nothing; return why the request has to end, if it has to."""
        try:
            if self.state == "choosing":
                self._choose(token)
            if self.state == "active":
                return None if self.matcher.accept(token) else NO_TOKEN
        except Exception as e:  # noqa: BLE001
            return raised(e)
        if self.state == "opening":
            self._read += 1
            self.state = "waiting" if self._read == len(self._opening) else "opening"
            return None
        self._recent.append(token)
        self.state = "active" if tuple(self._recent) == self._after else "waiting"
        return None

    def _choose(self, token: int) -> None:
        """Take the first token as the beginning of reasoning if it is a marker, or means nothing to the grammar."""
        opens = token == self._opening[0]
        reasoning = opens and (len(self._opening) == 1 or not self.matcher.copy().accept(token))
        self.state = "opening" if reasoning else "active"

    @property
    def over(self) -> bool:
        """Return whether the output is complete, nothing can follow, and no token would say so."""
        return self.state == "active" and not self.ends and self.matcher.must_end


def raised(error: Exception) -> str:
    """Return the words for a matcher's mistake, which ends the requests that it is for, and no others."""
    log.error("a matcher failed", exc_info=error)
    return f"structured output failed: {type(error).__name__}: {error}"
