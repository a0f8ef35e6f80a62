"""llguidance in the engine: compiles grammars for a tokenizer, advances matchers, computes masks."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from llguidance import LLExecutor, LLMatcher, LLTokenizer
from numpy.typing import NDArray

from frameworkctl.interfaces import GrammarCompiler, GrammarContext, Matcher

from . import lark
from .grammars import LIMITS
from .wording import in_words

SLOW_MASK = 0.25  # seconds; a grammar whose first mask takes longer would hold up everybody's steps
MOST_PAST = 4096  # texts whose tokens are remembered: those of a few markers
PARALLEL = 4  # matchers from which on threads are worth their start


class GuidanceMatcher(Matcher):
    """One ``LLMatcher``. Once it has failed, it stays failed."""

    def __init__(self, inner: LLMatcher) -> None:
        self.inner = inner

    def accept(self, token: int) -> bool:
        return bool(self.inner.consume_token(token))

    @property
    def may_end(self) -> bool:
        return bool(self.inner.is_accepting())

    @property
    def must_end(self) -> bool:
        return bool(self.inner.is_stopped() and self.inner.is_accepting())

    def copy(self) -> GuidanceMatcher:
        return GuidanceMatcher(self.inner.deep_copy())


class GuidanceCompiler(GrammarCompiler):
    """Holds the tokenizer's vocabulary as a trie of bytes, made of its tokenizer.json."""

    def __init__(self, ctx: GrammarContext) -> None:
        super().__init__(ctx)
        ends = [i for i in ctx.eos_token_ids if 0 <= i < ctx.vocab_size]
        try:
            tokenizer = LLTokenizer(ctx.tokenizer, eos_token=ends or None)
            self._own = tokenizer.vocab_size
            if tokenizer.vocab_size < ctx.vocab_size:
                tokenizer = LLTokenizer(ctx.tokenizer, n_vocab=ctx.vocab_size, eos_token=ends or None)
        except ValueError as e:
            raise ValueError(f"this model's tokenizer cannot be constrained: {in_words(str(e))}") from e
        self._tokenizer = tokenizer
        self._words = -(-tokenizer.vocab_size // 32)
        self._executor = LLExecutor(num_threads=ctx.threads) if ctx.threads > 1 else None
        self._past: dict[bytes, Sequence[int]] = {}
        self._no_ends = ~_bits(tokenizer.eos_tokens, self._words)

    def token_bytes(self, token: int) -> bytes:
        """Return a token's bytes; none for an id that pads the vocabulary, which llguidance writes ``<[id]>``."""
        return bytes(self._tokenizer.decode_bytes([token])) if token < self._own else b""

    def tokens_past(self, text: bytes) -> Sequence[int]:
        if text not in self._past:
            self._past[text] = self._find_past(text) if len(self._past) < MOST_PAST else ()
        return self._past[text]

    def _find_past(self, text: bytes) -> Sequence[int]:
        """Ask a matcher of texts that go on so: its mask has these tokens, and those that ``text`` begins with."""
        try:
            grammar = f"start: {lark.quoted(text.decode())} /\\s*\\S(.|\\n)*/"
        except UnicodeDecodeError:  # in the middle of a character, where no marker is cut by a tokenizer
            return ()
        bits = np.frombuffer(LLMatcher(self._tokenizer, grammar, log_level=0).compute_bitmask(), np.uint8)
        found = np.flatnonzero(np.unpackbits(bits, bitorder="little")[: self._tokenizer.vocab_size]).tolist()
        return [i for i in found if self.token_bytes(i).startswith(text) and self.token_bytes(i)[len(text) :].strip()]

    def compile(self, grammar: str) -> GuidanceMatcher:
        matcher = GuidanceMatcher(LLMatcher(self._tokenizer, grammar, limits=LIMITS, log_level=0))
        if not matcher.inner.is_error():
            start = time.perf_counter()
            matcher.inner.compute_bitmask()
            if time.perf_counter() - start > SLOW_MASK:
                raise ValueError("this grammar takes too long to follow; make it simpler")
        if matcher.inner.is_error():
            raise ValueError(in_words(matcher.inner.get_error()))
        return matcher

    def fill(self, matchers: Sequence[Matcher], masks: NDArray[np.int32]) -> list[str | None]:
        inner = [m.inner for m in matchers if isinstance(m, GuidanceMatcher)]
        out = masks if masks.shape[1] == self._words else np.zeros((len(inner), self._words), dtype=np.int32)
        if self._executor is not None and len(inner) >= PARALLEL:
            numbered = [(m, i) for i, m in enumerate(inner)]
            self._executor.unsafe_compute_mask_ptr(numbered, out.ctypes.data, self._words * 4, len(inner))
        else:
            for row, matcher in zip(out, inner, strict=True):
                matcher.unsafe_compute_mask_ptr(row.ctypes.data, self._words * 4)
        out &= self._no_ends
        if out is not masks:  # a tokenizer with more tokens than the model has logits
            masks[:] = out[:, : masks.shape[1]]
        return [in_words(m.get_error()) or "no token fits" if m.is_error() else None for m in inner]


def _bits(ids: Sequence[int], words: int) -> NDArray[np.int32]:
    """Return a row of a mask with these bits set."""
    row = np.zeros(words, dtype=np.uint32)
    for i in ids:
        row[i // 32] |= np.uint32(1 << (i % 32))
    return row.view(np.int32)
