"""One token stream being computed, and how far it has come."""

from __future__ import annotations

import hashlib
from array import array
from enum import IntEnum

from frameworkctl.interfaces.generation.scheduling import RequestView
from frameworkctl.interfaces.pooling import PoolParams
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.constraints.states import Constrained


class Status(IntEnum):
    WAITING = 0
    RUNNING = 1
    FINISHED = 2


class Sequence:
    """State of a sequence in the scheduler. Counts are tokens.

    ``tokens`` are those whose value is known, prompt first; ``pending`` have been sampled in a step that is still
    running; ``computed`` have their keys and values in the cache or in a step that was planned; ``committed`` of those
    are done. ``tables[g]`` are the pages of group g, ``sent[g]`` of them known to the runner. ``epoch`` counts
    preemptions, so that a step planned before one is not credited after it.
    """

    __slots__ = (
        "arrival",
        "awaited",
        "cached_tokens",
        "call",
        "chain",
        "chain_root",
        "committed",
        "computed",
        "constrained",
        "cross_digest",
        "cross_tokens",
        "drafts",
        "embeds",
        "epoch",
        "id",
        "index",
        "input_open",
        "kept",
        "known_to_runner",
        "limit",
        "long",
        "params",
        "pending",
        "pool",
        "priority",
        "prompt_len",
        "published",
        "reads_all",
        "request",
        "seed",
        "sent",
        "status",
        "tables",
        "tokens",
        "turn",
    )

    def __init__(
        self,
        id: int,
        request: int,
        index: int,
        tokens: array[int],
        params: SamplingParams,
        *,
        seed: int,
        limit: int,
        arrival: float,
        groups: int,
        chain_root: bytes,
        priority: int = 0,
        input_open: bool = False,
        cross_tokens: int = 0,
        cross_digest: bytes | None = None,
        embeds: bytes | None = None,
        pool: PoolParams | None = None,
        reads_all: bool = False,
        call: int | None = None,
    ) -> None:
        self.id, self.request, self.index = id, request, index
        self.call = -request if call is None else call  # calls take turns, see WaitingQueue
        self.turn: int | None = None
        self.tokens, self.prompt_len, self.params = tokens, len(tokens), params
        self.seed = seed
        self.limit = limit  # length, prompt included, at which it ends
        self.arrival, self.priority = arrival, priority
        self.input_open = input_open
        self.cross_tokens, self.cross_digest = cross_tokens, cross_digest
        self.embeds = embeds  # of the prompt tokens that are -1
        self.pool = pool  # it is pooled: nothing is sampled, and it ends with its prompt
        self.reads_all = reads_all  # somebody looks at all hidden states: none may come from the prefix cache
        self.drafts: list[int] = []  # guesses at what comes after its tokens, for the step that is being planned
        self.pending = self.computed = self.committed = self.epoch = 0
        self.published = [0] * groups
        self.cached_tokens = -1  # not looked up yet
        self.status = Status.WAITING
        self.tables: list[list[int]] = [[] for _ in range(groups)]
        self.sent = [0] * groups
        self.kept = [0] * groups  # pages that came with content, from the prefix cache
        self.known_to_runner = False
        self.chain_root = chain_root
        self.chain: list[bytes] = []
        self.awaited: bytes | None = None  # the prefix it could use next, if somebody computed it
        self.constrained: Constrained | None = None  # to a grammar
        self.long = False  # beyond the length up to which the model computes the short way

    def become_long(self) -> None:
        """Mark a sequence as long: its pages differ from those of the same tokens in a short sequence."""
        self.long = True
        self.chain_root = hashlib.sha256(b"long" + self.chain_root).digest()
        self.chain = []

    @property
    def known(self) -> int:
        return len(self.tokens) + self.pending

    @property
    def output_len(self) -> int:
        return len(self.tokens) - self.prompt_len

    @property
    def wanted(self) -> int:
        """Return how many tokens the sequence could compute now."""
        return self.wanted_after(self.computed)

    def wanted_after(self, computed: int) -> int:
        """Return how many tokens the sequence could compute if ``computed`` were.

        The last token of a sequence that has reached its limit is never needed. That of a session is kept back until
        its input has ended, because computing it gives the first output.
        """
        if self.input_open:
            return max(0, self.known - 1 - computed)
        return 0 if self.known >= self.limit else self.known + len(self.drafts) - computed

    @property
    def finished(self) -> bool:
        return self.status is Status.FINISHED

    @property
    def idle(self) -> bool:
        """Return whether this is a session with nothing to compute until more input comes."""
        return self.input_open and self.wanted == 0

    def view(self) -> RequestView:
        return RequestView(
            id=self.id,
            arrival=self.arrival,
            priority=self.priority,
            prompt_tokens=self.prompt_len,
            output_tokens=self.output_len + self.pending,
            computed_tokens=self.computed,
            preemptions=self.epoch,
            waiting_input=self.idle,
            turn=self.turn or 0,
        )
