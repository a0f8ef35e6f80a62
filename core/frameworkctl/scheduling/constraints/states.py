"""The place of a sequence in the grammar that constrains it, reasoning before the constraint included."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Literal

from frameworkctl.answer_start import AnswerStart
from frameworkctl.interfaces.generation.structured import GrammarCompiler, Matcher
from frameworkctl.params import Grammar, SamplingParams

log = logging.getLogger("frameworkctl.engine")

NO_TOKEN = "the grammar and the other fields of the request leave no token to go on with"

# choosing: the output may become reasoning or what the grammar wants; opening: it can only become reasoning;
# waiting: inside reasoning; active: the grammar holds.
State = Literal["choosing", "opening", "waiting", "active"]


class Constrained:
    """A matcher that goes along with a sequence's output, from the text on at which the constraint begins.

    Until then the sequence must not end: a demanded format that never begins would be lost. A constrained sequence
    belongs to its request, not to a row of the batch, so preemption does not touch it. ``matcher`` is at the start of
    its grammar, and used up; ``compiler`` knows the texts of tokens.
    """

    __slots__ = ("_apart", "_compiler", "_fresh", "_grammar", "_ids", "_start", "ends", "matcher", "state")

    def __init__(self, matcher: Matcher, params: SamplingParams, compiler: GrammarCompiler) -> None:
        assert params.grammar is not None
        self.matcher = matcher
        self.state: State = "active"
        self._compiler, self._grammar = compiler, params.grammar
        self._start: AnswerStart | None = None  # until the answer has begun
        self._apart = False  # reasoning has ended, and the answer has not begun
        if self._grammar.ends:
            self._fresh, self._ids = matcher.copy(), list[int]()
            self._start = _reader(self._grammar)
            self.state = "waiting" if self._start.reasoning else "choosing"
        eos = () if params.ignore_eos else params.eos_token_ids
        self.ends = tuple({i for i in (*eos, *params.stop_token_ids) if i >= 0})

    @property
    def matches(self) -> bool:
        """Return whether the grammar has a say in the next token."""
        return self.state in ("choosing", "active")

    def opening(self) -> set[int]:
        """Return the tokens that would begin reasoning, or go on to begin it, as a tokenizer writes them."""
        if self.state not in ("choosing", "opening"):
            return set()
        count = len(self._ids)
        return {ids[count] for ids in self._grammar.opening_ids if len(ids) > count and ids[:count] == tuple(self._ids)}

    def beyond(self) -> Iterable[int]:
        """Return the tokens that would end reasoning and go on: the constraint has to see what comes after."""
        for text in () if self._start is None or self.state != "waiting" else self._start.missing():
            yield from self._compiler.tokens_past(_bytes(text))

    def advance(self, token: int, *, ends: bool = False) -> str | None:
        """Go on by a sampled token; return why the request has to fail, if it has to.

        ``ends``: it is an end token, which a logits processor may have forced where the grammar has no place for one.
        """
        try:
            if ends:
                return None if self.matches and self.matcher.may_end else NO_TOKEN
            return self._accept(token) if self._start is None else self._read(token, self._start)
        except Exception as e:  # noqa: BLE001
            return raised(e)

    def _accept(self, token: int) -> str | None:
        if self._apart:  # white space between reasoning and answer is nobody's
            trial = self.matcher.copy()
            if not trial.accept(token) and _text(self._compiler.token_bytes(token)).isspace():
                return None
            self._apart = False
        return None if self.matcher.accept(token) else NO_TOKEN

    def _read(self, token: int, start: AnswerStart) -> str | None:
        """Go on by a token before the answer."""
        text = _text(self._compiler.token_bytes(token))
        reasoning, answer = start.split(text)
        if start.passed:
            return self._begin(token, reasoning, answer)
        if start.reasoning:
            self.state = "waiting"
            return None
        self._ids.append(token)
        trial = self.matcher.copy()
        if self.state == "choosing" and trial.accept(token):
            self.matcher = trial
        elif not text.isspace():  # white space before an answer or reasoning is nobody's
            self.state = "opening"
        return None

    def _begin(self, token: int, reasoning: str, answer: str) -> str | None:
        """Constrain from here on: ``answer`` is what of the token belongs to it, after ``reasoning`` if there was."""
        possible = self.state == "choosing"
        self._start, self.state = None, "active"
        if not reasoning:
            return self._accept(token) if possible else NO_TOKEN
        self.matcher, self._apart = self._fresh, True
        return NO_TOKEN if answer.strip() else None

    @property
    def over(self) -> bool:
        """Return whether the output is complete, nothing can follow, and no token would say so."""
        return self.state == "active" and not self.ends and self.matcher.must_end


def _reader(grammar: Grammar) -> AnswerStart:
    """Return what reads the bytes of an output, each of them as a character: tokens may end inside one."""
    return AnswerStart([_text(o.encode()) for o in grammar.openings], [_text(e.encode()) for e in grammar.ends])


def _text(data: bytes) -> str:
    return data.decode("latin-1")


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")


def raised(error: Exception) -> str:
    """Return the words for a matcher's mistake, which ends the requests that it is for, and no others."""
    log.error("a matcher failed", exc_info=error)
    return f"structured output failed: {type(error).__name__}: {error}"
