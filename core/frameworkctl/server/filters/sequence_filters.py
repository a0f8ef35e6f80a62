"""One sequence behind output filters: its ids and logprobs pass only with the text that they stand for."""

from __future__ import annotations

from collections import deque

from frameworkctl.interfaces.endpoint import GenerateItem
from frameworkctl.interfaces.requests.outputs import Output, SampledLogprobs
from frameworkctl.text.detokenizer import CONTEXT as CONTEXT_IDS
from frameworkctl.text.detokenizer import Detokenizer

from .call_filters import CONTEXT, Guard, run


class GuardedSequence:
    """A token passes when all text up to its end has passed as it was said. From the first place where a filter
    changes the text, or would change what a token is shown as, no more ids and logprobs of the sequence pass; neither
    do those of tokens whose text is not shown at all because a stop string was cut off.
    """

    def __init__(self, guard: Guard, item: GenerateItem, number: int, index: int) -> None:
        params, prompt, vocabulary = item.params, item.prompt.token_ids, guard.vocabulary
        self._guard, self._number, self._index = guard, number, index
        self._detokenizer = Detokenizer(
            vocabulary,
            prompt,
            skip_special_tokens=params.skip_special_tokens,
            spaces_between_special_tokens=params.spaces_between_special_tokens,
        )
        self._before = list(prompt[-CONTEXT_IDS:])
        self._context = vocabulary.decode(prompt[-CONTEXT:], skip_special_tokens=False)[-CONTEXT:]
        for output_filter in guard.filters:
            output_filter.begin(number, index, self._context)
        self._said = self._shown = 0  # characters
        self._waiting = ""  # said, and not shown yet
        self._changed = False
        self._tokens: deque[_Token] = deque()  # not passed yet

    def pass_on(self, output: Output) -> Output:
        """Return the output as endpoints may see it."""
        item, ids, entries, vocabulary = output.item, output.token_ids, output.logprobs, self._guard.vocabulary
        if not self._changed:
            for at, id_ in enumerate(ids):
                entry = entries[at] if entries is not None and at < len(entries) else None
                self._add(id_, entry)
        self._waiting += output.text
        output.item, output.token_ids = self._number, list(ids)
        output.logprobs = None if entries is None else list(entries)
        output = run(self._guard.filters, output)
        last = output.finish_reason is not None
        self._compare(output.text, last=last)
        if output.token_ids != ids or output.logprobs != entries:
            self._changed = True  # a filter has its own mind about them
        passed = self._passed(all_=last and not isinstance(output.stop_reason, str), last=last)
        output.item, output.index = item, self._index
        output.token_ids = [token.id for token in passed]
        output.logprobs = None if entries is None else [token.entry for token in passed if token.entry is not None]
        if isinstance(output.stop_reason, str):
            output.stop_reason = self._guard.text(output.stop_reason)
        elif output.stop_reason is not None and not self._guard.passes(vocabulary.text_of(output.stop_reason), ""):
            output.stop_reason = None
        return output

    def _add(self, id_: int, entry: SampledLogprobs | None) -> None:
        text = self._guard.vocabulary.text_of(id_, self._before)
        self._before = [*self._before[-CONTEXT_IDS + 1 :], id_]
        if entry is not None:
            entry = SampledLogprobs(entry.sampled, self._guard.alternatives(entry.top, self._context))
        token = _Token(id_, entry, self._guard.passes(text, self._context))
        self._context = (self._context + text)[-CONTEXT:]
        self._tokens.append(token)
        if delta := self._detokenizer.feed((id_,)):
            self._said += len(delta)
            for waiting in reversed(self._tokens):
                if waiting.end is not None:
                    break
                waiting.end = self._said

    def _compare(self, shown: str, *, last: bool) -> None:
        if self._changed:
            return
        if self._waiting.startswith(shown):
            self._waiting = self._waiting[len(shown) :]
            self._shown += len(shown)
        else:
            self._changed = True
        if last and self._waiting:
            self._changed = True

    def _passed(self, *, all_: bool, last: bool) -> list[_Token]:
        """Return tokens whose text has been shown; ``all_`` of them where there is nothing that a stop string cut
        off.
        """
        out: list[_Token] = []
        while self._tokens and not self._changed:
            token = self._tokens[0]
            if not all_ and (not last if token.end is None else token.end > self._shown):
                break
            if not token.passes:
                self._changed = True
                break
            out.append(self._tokens.popleft())
        if self._changed:
            self._tokens.clear()
            self._waiting = ""
        return out


class _Token:
    """``end`` is where its text ends, counted in characters of the output; None while that is not known."""

    __slots__ = ("end", "entry", "id", "passes")

    def __init__(self, id_: int, entry: SampledLogprobs | None, passes: bool) -> None:
        self.id, self.entry, self.passes = id_, entry, passes
        self.end: int | None = None
