"""Outputs as completion objects and chunks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from frameworkctl.interfaces import (
    Call,
    Formatter,
    Output,
    Payload,
    Reply,
    SampledLogprobs,
    ServedModel,
    Usage,
    Work,
)

from frameworkctl_endpoints.logprobs import prompt_logprobs_body, shown
from frameworkctl_endpoints.replies import FINGERPRINT, UsageBody, make_head, usage_body

from .request import CompletionRequest


class LogprobsBody(msgspec.Struct):
    """Parallel lists, one entry per token; ``text_offset`` counts characters from the start of the answer."""

    text_offset: list[int]
    token_logprobs: list[float | None]
    tokens: list[str]
    top_logprobs: list[dict[str, float] | None]


class Choice(msgspec.Struct):
    """A choice, or what is new of one."""

    index: int
    text: str
    logprobs: LogprobsBody | None
    finish_reason: str | None
    stop_reason: int | str | None
    prompt_token_ids: Sequence[int] | None
    token_ids: list[int] | None


class Chunk(msgspec.Struct, omit_defaults=True):
    """One event of a stream."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: UsageBody | None = None
    system_fingerprint: str | None = None


class CompletionFormatter(Formatter):
    """Choices are numbered prompt by prompt: index = prompt * n + i."""

    def __init__(self, request: CompletionRequest, work: Work, model: ServedModel, call: Call) -> None:
        self.request, self.work, self.model = request, work, model
        self.as_ids = request.return_tokens_as_token_ids
        self.head = make_head("cmpl", call.request_id, "text_completion", model)
        self._offsets: dict[int, int] = {}
        self._begun: set[int] = set()

    def _index(self, output: Output) -> int:
        return output.item * self.work.items[0].n + output.index

    def _prompt_ids(self, output: Output) -> Sequence[int] | None:
        prompt = self.work.items[output.item].prompt
        return prompt.token_ids if prompt.embeds is None else None

    def _echo(self, item: int) -> str:
        """Return the text of an item's prompt, where it is to be repeated."""
        if not self.request.echo:
            return ""
        prompt = self.work.items[item].prompt
        if prompt.text is not None:
            return prompt.text
        return self.model.tokenizer.decode(prompt.token_ids, skip_special_tokens=True)

    def _begin(self, output: Output) -> LogprobsBody | None:
        """Logprobs of the echoed prompt. Offsets go by the texts of all tokens, special ones included."""
        if output.prompt_logprobs is None or not self.request.echo or self.request.logprobs is None:
            return None
        items = self.work.items[output.item].prompt.token_ids
        first = self.model.tokenizer.decode(items[:1])
        body = LogprobsBody([0], [None], [f"token_id:{items[0]}" if self.as_ids else first], [None])
        offset = len(first)
        for entry in output.prompt_logprobs:
            body.text_offset.append(offset)
            body.token_logprobs.append(entry.token.logprob)
            body.tokens.append(shown(entry.token, self.as_ids))
            body.top_logprobs.append({shown(t, self.as_ids): t.logprob for t in (entry.token, *entry.top)})
            offset += len(entry.token.text)
        self._offsets[self._index(output)] = offset
        return body

    def _logprobs(
        self, index: int, entries: Iterable[SampledLogprobs] | None, begun: LogprobsBody | None = None
    ) -> LogprobsBody | None:
        if entries is None:
            return None
        body = begun or LogprobsBody([], [], [], [])
        offset = self._offsets.get(index, 0)
        for entry in entries:
            sampled = entry.sampled
            body.text_offset.append(offset)
            body.token_logprobs.append(sampled.logprob)
            body.tokens.append(shown(sampled, self.as_ids))
            # Different ids may have the same text; as in the reference server, the last of them stands for all.
            body.top_logprobs.append({shown(t, self.as_ids): t.logprob for t in (sampled, *entry.top)})
            offset += len(sampled.text)
        self._offsets[index] = offset
        return body

    def delta(self, output: Output, usage: Usage) -> Iterable[Payload]:
        want_ids = bool(self.request.return_token_ids)
        index = self._index(output)
        first = index not in self._begun
        echo = self._echo(output.item) if first else ""
        if not (output.text or echo) and output.finish_reason is None and output.logprobs is None and not want_ids:
            return
        self._begun.add(index)
        choice = Choice(
            index,
            echo + output.text,
            self._logprobs(index, output.logprobs, self._begin(output) if first else None),
            output.finish_reason,
            output.stop_reason,
            self._prompt_ids(output) if first and (want_ids or echo) else None,
            output.token_ids if want_ids else None,
        )
        last = output.finish_reason is not None and not self.request.wants_usage
        running = usage_body(usage) if self.request.usage_in_every_chunk else None
        yield self._chunk([choice], running, FINGERPRINT if last else None)

    def end(self, usage: Usage) -> Iterable[Payload]:
        if self.request.wants_usage:
            yield self._chunk([], usage_body(usage), FINGERPRINT)

    def _chunk(self, choices: list[Choice], usage: UsageBody | None, fingerprint: str | None) -> Chunk:
        head = self.head
        return Chunk(head.id, head.object, head.created, head.model, choices, usage, fingerprint)

    def final(self, outputs: list[Output], usage: Usage) -> Reply:
        return Reply(
            body=self.head.reply(
                choices=[self._choice(o) for o in outputs],
                service_tier=None,
                system_fingerprint=FINGERPRINT,
                usage=usage_body(usage),
            )
        )

    def _choice(self, output: Output) -> dict[str, Any]:
        index, want_ids = self._index(output), bool(self.request.return_token_ids)
        echo = self._echo(output.item)
        return {
            "index": index,
            "text": echo + output.text,
            "logprobs": self._logprobs(index, output.logprobs, self._begin(output)),
            "finish_reason": output.finish_reason,
            "stop_reason": output.stop_reason,
            "token_ids": output.token_ids if want_ids else None,
            "prompt_logprobs": prompt_logprobs_body(output.prompt_logprobs),
            "prompt_token_ids": self._prompt_ids(output) if want_ids else None,
        }
