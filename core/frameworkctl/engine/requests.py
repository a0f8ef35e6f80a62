"""Requests in the engine: the sequences of one that are alive, made a few at a time."""

from __future__ import annotations

import time
from array import array

import msgspec

from frameworkctl.interfaces.generation.structured import GrammarCompiler, Matcher
from frameworkctl.scheduling.cache import prefix
from frameworkctl.scheduling.constraints.states import Constrained
from frameworkctl.scheduling.sequence import Sequence

from .messages import Generate
from .timed_masks import TimedMatcher


class Request:
    """The sequences of one request by their index; ``left`` more are made when there is room for them.

    A request may ask for thousands of sequences of a long prompt: to make all of them at once would take memory and
    hold up the steps of everybody else.
    """

    def __init__(self, message: Generate | None, *, groups: int, max_model_len: int) -> None:
        self.alive: dict[int, Sequence] = {}
        self.left = 0 if message is None else message.params.n
        self.waits = message is not None and message.params.grammar is not None  # for its grammar
        self._message, self._groups, self._max_model_len = message, groups, max_model_len
        self._root = prefix.root(None if message is None else message.extras)
        self._arrival = time.monotonic()
        self._unwanted: set[int] = set()
        self._grammar: tuple[Matcher, GrammarCompiler] | None = None

    def constrain(self, grammar: Matcher, compiler: GrammarCompiler) -> None:
        """Take the compiled grammar: sequences can be made from now on."""
        self._grammar, self.waits = (grammar, compiler), False

    def stop(self, index: int) -> Sequence | None:
        """Return the sequence to end, None if it has ended or is not made yet; then it will not be."""
        if self._message is not None and index >= self._message.params.n - self.left:
            self._unwanted.add(index)
        return self.alive.pop(index, None)

    def make(self, room: int, last_id: int) -> list[Sequence]:
        """Return new sequences, with ids after ``last_id``, until ``room`` are alive or none is left."""
        message, made = self._message, list[Sequence]()
        while message is not None and self.left and not self.waits and len(self.alive) < room:
            index = message.params.n - self.left
            self.left -= 1
            if index in self._unwanted:
                continue
            seq = self.alive[index] = self._sequence(message, index, last_id + len(made) + 1)
            made.append(seq)
        return made

    def _sequence(self, message: Generate, index: int, id_: int) -> Sequence:
        tokens = array("i")
        tokens.frombytes(message.tokens)
        params = message.params
        if index and params.prompt_logprobs is not None:  # all have the same prompt: one of them will do
            params = msgspec.structs.replace(params, prompt_logprobs=None)
        seq = Sequence(
            id_,
            message.id,
            index,
            tokens,
            params,
            seed=message.seed + index,
            limit=min(len(tokens) + max(1, params.max_tokens), self._max_model_len),
            arrival=self._arrival,
            groups=self._groups,
            chain_root=self._root,
            priority=message.priority,
            input_open=message.open,
            embeds=message.embeds,
            call=message.call,
        )
        if self._grammar is not None:
            grammar, compiler = self._grammar
            seq.constrained = Constrained(TimedMatcher(grammar), params, compiler)
        return seq
