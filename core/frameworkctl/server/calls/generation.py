"""One item's generation in the server: engine rows in, text out. Detokenizing and stop strings happen here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import cast

from frameworkctl.engine.messages import PromptScores, Row
from frameworkctl.errors import EngineError, RequestError
from frameworkctl.interfaces.endpoint import GenerateItem
from frameworkctl.interfaces.requests.outputs import (
    FinishReason,
    Output,
    PromptLogprob,
    SampledLogprobs,
    TokenLogprob,
    Usage,
)
from frameworkctl.server.engines.client import EngineClient
from frameworkctl.server.engines.streams import RowStream
from frameworkctl.text.detokenizer import CONTEXT, Detokenizer, Vocabulary
from frameworkctl.text.stop_strings import StopChecker

from .prompt_logprobs import FLOOR, unpack


class _SequenceText:
    """Text side of one sequence."""

    __slots__ = ("context", "count", "detokenizer", "ended", "stop")

    def __init__(self, vocabulary: Vocabulary, item: GenerateItem) -> None:
        params = item.params
        prompt = item.prompt.token_ids
        self.detokenizer = Detokenizer(
            vocabulary,
            prompt,
            skip_special_tokens=params.skip_special_tokens,
            spaces_between_special_tokens=params.spaces_between_special_tokens,
        )
        self.stop = StopChecker(
            params.stop,
            include_in_output=params.include_stop_str_in_output,
            min_tokens=params.min_tokens,
            after=params.stop_after,
            openings=params.stop_openings,
        )
        self.context: list[int] = []  # output tokens before the next one, which may complete a character with it
        self.count = 0
        self.ended = False


class Generation:
    """Iterate to run the item; each turn gives all that is new of one sequence. Closing it aborts what still runs."""

    def __init__(
        self,
        client: EngineClient,
        stream: RowStream,
        item: GenerateItem,
        number: int,
        vocabulary: Vocabulary,
        usage: Usage,
    ) -> None:
        self.client, self.stream, self.item, self.number = client, stream, item, number
        self.vocabulary, self.usage = vocabulary, usage
        self._sequences = [_SequenceText(vocabulary, item) for _ in range(item.params.n)]
        self._open = item.params.n
        self._scores: list[PromptScores] = []
        self._prompt_logprobs: list[PromptLogprob] | None = None

    async def outputs(self) -> AsyncGenerator[Output, None]:
        try:
            while self._open:
                rows = await self.stream.next()
                if self.item.params.prompt_logprobs is not None:
                    rows = await self._take_scores(rows)
                if len(rows) == 1:
                    output = self._advance(rows[0].index, rows)
                    if output is not None:
                        yield output
                    continue
                by_index: dict[int, list[Row]] = {}
                for row in rows:
                    by_index.setdefault(row.index, []).append(row)
                for index, own in by_index.items():
                    output = self._advance(index, own)
                    if output is not None:
                        yield output
        finally:
            self.client.close(self.stream)

    async def _take_scores(self, rows: list[Row]) -> list[Row]:
        """Keep the scores of the prompt until its first token; returns the rows that say more."""
        self._scores += [row.scores for row in rows if row.scores is not None]
        rows = [row for row in rows if row.token is not None or row.reason is not None]
        if rows and rows[0].error is None and self._prompt_logprobs is None:
            self._prompt_logprobs = await unpack(self.vocabulary, self.item.prompt.token_ids, self._scores)
        return rows

    def end(self, index: int) -> None:
        """End a sequence for a filter; the engine stops computing it."""
        state = self._sequences[index]
        if not state.ended:
            state.ended = True
            self._open -= 1
            self.client.stop_sequence(self.stream, index)

    def _advance(self, index: int, rows: Sequence[Row]) -> Output | None:
        """Return what a sequence's new rows say; None where it had ended before."""
        state, params = self._sequences[index], self.item.params
        if state.ended:
            return None
        output = Output(
            item=self.number, index=index, text="", token_ids=[], logprobs=None if params.logprobs is None else []
        )
        if not state.count:
            output.prompt_logprobs = self._prompt_logprobs
        for row in rows:
            if row.error is not None:
                raise self._error(row, row.error)
            if index == 0:
                self.usage.cached_tokens += row.cached
            if row.token is not None and params.max_tokens:
                self._token(state, row, row.token, output)
            if row.reason is not None or output.finish_reason is not None:
                self._finish(state, index, row, output)
                break
        return output

    def _token(self, state: _SequenceText, row: Row, token: int, output: Output) -> None:
        params = self.item.params
        state.count += 1
        self.usage.completion_tokens += 1
        output.token_ids.append(token)
        if output.logprobs is not None and row.logprobs is not None:
            output.logprobs.append(self._logprobs(state, token, row.logprobs))
        # The token that ends a sequence is counted, but its text is only said when it was asked for.
        silent = row.reason == "stop" and not params.include_stop_str_in_output
        delta = "" if silent else state.detokenizer.feed((token,))
        if row.reason is not None:
            delta += state.detokenizer.finish()
        text, matched = state.stop.push(delta, state.count)
        output.text += text
        if matched is not None:
            output.finish_reason, output.stop_reason = "stop", matched

    def _error(self, row: Row, message: str) -> RequestError:
        grammar = self.item.params.grammar
        if row.refused and grammar is not None:
            param = grammar.param
            return RequestError(f"{param}: {message.rstrip('.')}.", param=param, code="invalid_grammar")
        return EngineError(f"The request could not be finished: {message}")

    def _finish(self, state: _SequenceText, index: int, row: Row, output: Output) -> None:
        matched = output.finish_reason is not None
        state.ended = True
        self._open -= 1
        if row.reason is None:
            self.client.stop_sequence(self.stream, index)
        if not matched:
            output.text += state.stop.flush()
            output.finish_reason, output.stop_reason = cast("FinishReason", row.reason), row.stop_reason
        if not self.item.params.max_tokens:
            output.finish_reason, output.stop_reason = "length", None

    def _logprobs(
        self, state: _SequenceText, token: int, values: tuple[float, list[int], list[float]]
    ) -> SampledLogprobs:
        logprob, top_ids, top_values = values
        context, text_of = state.context, self.vocabulary.text_of
        top = tuple(
            TokenLogprob(i, text_of(i, context), max(v, FLOOR)) for i, v in zip(top_ids, top_values, strict=True)
        )
        sampled = TokenLogprob(token, text_of(token, context), max(logprob, FLOOR))
        state.context = [*context[-CONTEXT + 1 :], token]
        return SampledLogprobs(sampled, top)


def merge(outputs: dict[tuple[int, int], Output], new: Output) -> None:
    """Add a delta to the whole of its sequence."""
    key = (new.item, new.index)
    whole = outputs.get(key)
    if whole is None:
        outputs[key] = new
        return
    whole.text += new.text
    whole.token_ids += new.token_ids
    if whole.logprobs is not None and new.logprobs is not None:
        whole.logprobs += new.logprobs
    whole.finish_reason, whole.stop_reason = new.finish_reason, new.stop_reason
