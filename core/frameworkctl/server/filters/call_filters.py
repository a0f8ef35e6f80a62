"""The output filters of one call, and all that has to pass them: outputs, prompts, what parsers make of outputs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import msgspec

from frameworkctl.interfaces.endpoint import GenerateItem, OutputFilter, Work
from frameworkctl.interfaces.generation.parsers import ReasoningParser, ToolParser
from frameworkctl.interfaces.requests.filters import NO_GUARD, TextStream
from frameworkctl.interfaces.requests.outputs import Output, PromptLogprob, TokenLogprob
from frameworkctl.interfaces.requests.prompts import Prompt
from frameworkctl.text.detokenizer import Vocabulary

from .parser_filters import GuardedReasoningParser, GuardedToolParser

BESIDE = -1  # ``Output.item`` of texts that are no sequence's output
CONTEXT = 256  # characters before a token that filters are told when one token is judged


class Guard:
    """Implements ``interfaces.Guard``. The filters are made by ``make`` when they are first needed."""

    def __init__(self, make: Callable[[], list[OutputFilter]], vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._make = make
        self._filters: list[OutputFilter] | None = None
        self._numbers = itertools.count()
        self._beside = itertools.count()
        self._prompts: dict[int, tuple[Prompt, Prompt]] = {}  # by id of the first of the pair

    @property
    def filters(self) -> list[OutputFilter]:
        if self._filters is None:
            self._filters = self._make()
        return self._filters

    def close(self) -> None:
        """Let go of the filters and of the request that they are made for. Nothing passes afterwards: RuntimeError."""
        self._make, self._filters = _closed, None
        self._prompts.clear()

    def apart(self) -> Guard:
        """Another one with filters of its own, for a thread."""
        return Guard(self._make, self.vocabulary)

    def number(self) -> int:
        """Return the next ``Output.item`` for filters: no two generations of a call share one."""
        return next(self._numbers)

    # -- texts beside the outputs

    def stream(self) -> TextStream:
        return _Stream(self.filters, next(self._beside)) if self.filters else NO_GUARD.stream()

    def text(self, text: str) -> str:
        return self.stream().feed(text, last=True) if text else text

    def tool_parser(self, parser: ToolParser) -> ToolParser:
        return GuardedToolParser(parser, self) if self.filters else parser

    def reasoning_parser(self, parser: ReasoningParser) -> ReasoningParser:
        return GuardedReasoningParser(parser, self) if self.filters else parser

    def passes(self, text: str, context: str) -> bool:
        """Return whether the filters leave ``text`` alone behind ``context``, which has been shown."""
        if not text:
            return True
        number = next(self._beside)
        for output_filter in self.filters:
            output_filter.begin(BESIDE, number, context)
        return _Stream(self.filters, number).feed(text, last=True) == text

    # -- prompts

    def work(self, work: Work) -> Work:
        """Return the Work for a formatter: prompts as they may be echoed. Takes time in proportion to their lengths."""
        if not self.filters:
            return work
        items = [msgspec.structs.replace(item, prompt=self._prompt(item.prompt)) for item in work.items]
        return msgspec.structs.replace(work, items=items)

    def prompt_logprobs(self, item: GenerateItem, entries: Sequence[PromptLogprob]) -> list[PromptLogprob] | None:
        """None of them where the filters changed the prompt; otherwise without the alternatives that they would change.

        Takes more time than ``work``: there may be many.
        """
        if not self._prompt(item.prompt).token_ids:
            return None
        context, out = self.vocabulary.decode(item.prompt.token_ids[:1], skip_special_tokens=False), []
        for entry in entries:
            out.append(PromptLogprob(entry.token, entry.rank, self.alternatives(entry.top, context)))
            context = (context + entry.token.text)[-CONTEXT:]
        return out

    def alternatives(self, top: Sequence[TokenLogprob], context: str) -> tuple[TokenLogprob, ...]:
        return tuple(token for token in top if self.passes(token.text, context))

    def _prompt(self, prompt: Prompt) -> Prompt:
        """Return the prompt, its ids left out where the filters change any text that they stand for."""
        known = self._prompts.get(id(prompt))
        if known is None:
            known = self._prompts[id(prompt)] = (prompt, self._screened(prompt))
        return known[1]

    def _screened(self, prompt: Prompt) -> Prompt:
        shown = None if prompt.text is None else self.text(prompt.text)
        texts = [self.vocabulary.decode(prompt.token_ids, skip_special_tokens=skip) for skip in (True, False)]
        if shown == prompt.text and all(self.text(text) == text for text in texts):
            return prompt
        return msgspec.structs.replace(prompt, token_ids=[], text=shown if shown is not None else self.text(texts[1]))


def _closed() -> list[OutputFilter]:
    raise RuntimeError("the call of these filters has ended")


class _Stream:
    """One text beside the outputs, as a sequence of its own."""

    __slots__ = ("_ended", "_filters", "_number")

    def __init__(self, filters: list[OutputFilter], number: int) -> None:
        self._filters, self._number, self._ended = filters, number, False

    def feed(self, text: str, *, last: bool = False) -> str:
        if self._ended:
            return ""
        output = Output(
            item=BESIDE, index=self._number, text=text, token_ids=[], finish_reason="stop" if last else None
        )
        output = run(self._filters, output)
        self._ended = output.finish_reason is not None
        return output.text


def run(filters: Sequence[OutputFilter], output: Output) -> Output:
    """Through all filters; what has ended stays ended."""
    for output_filter in filters:
        reason = output.finish_reason
        output = output_filter.process(output)
        if output.finish_reason is None:
            output.finish_reason = reason
    return output
