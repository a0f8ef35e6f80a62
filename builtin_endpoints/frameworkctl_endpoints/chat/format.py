"""Outputs as chat completion objects and chunks."""

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
    TokenLogprob,
    Usage,
    Work,
)

from frameworkctl_endpoints.logprobs import prompt_logprobs_body, shown
from frameworkctl_endpoints.replies import FINGERPRINT, UsageBody, make_head, usage_body

from .answer import CallDelta, Said
from .reasoning import make_answer
from .request import ChatRequest
from .tools import tool_use

ROLE = "assistant"


class Delta(msgspec.Struct, omit_defaults=True):
    role: str | None = None
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None  # the same text, under the name that other servers use
    tool_calls: list[CallDelta] | None = None


class Choice(msgspec.Struct):
    """News of one choice."""

    index: int
    delta: Delta
    logprobs: dict[str, Any] | None
    finish_reason: str | None
    token_ids: list[int] | None


class LastChoice(Choice):
    """The chunk with which a choice ends."""

    stop_reason: int | str | None = None


class Chunk(msgspec.Struct):
    """One event of a stream."""

    id: str
    object: str
    created: int
    model: str
    choices: Sequence[Choice]


class FirstChunk(Chunk, kw_only=True):
    prompt_token_ids: Sequence[int] | None


class ChunkWithUsage(Chunk, kw_only=True, omit_defaults=True):
    usage: UsageBody | None = None
    system_fingerprint: str | None = None


class ChatFormatter(Formatter):
    """One prompt; choices are its n sequences."""

    def __init__(self, request: ChatRequest, work: Work, model: ServedModel, call: Call) -> None:
        self.request = request
        prompt = work.items[0].prompt
        self.prompt_ids = prompt.token_ids if request.return_token_ids and prompt.embeds is None else None
        self.n = work.items[0].n
        self.role = ROLE if request.begins_reply else _last_role(request.messages)
        echo = _echo(request.messages, self.role) if request.echo else ""
        self.contents = [
            call.guard.stream() for _ in range(self.n if echo else 0)
        ]  # what is echoed and said is one text
        self.echo = [content.feed(echo) for content in self.contents][-1] if echo else ""
        object_ = "chat.completion.chunk" if request.stream else "chat.completion"
        self.model, self.use = model, tool_use(request)
        self.answers = [make_answer(request, self.use, work.items[0], model, call) for _ in range(self.n)]
        self.head = make_head("chatcmpl", call.request_id, object_, model)
        self._begun = False

    def delta(self, output: Output, usage: Usage) -> Iterable[Payload]:
        head, want_ids = self.head, bool(self.request.return_token_ids)
        if not self._begun:
            self._begun = True
            for i in range(self.n):
                first = Choice(i, Delta(self.role, ""), None, None, None)
                yield FirstChunk(
                    head.id, head.object, head.created, head.model, [first], prompt_token_ids=self.prompt_ids
                )
                if self.echo:
                    echoed = Choice(i, Delta(content=self.echo), None, None, None)
                    yield Chunk(head.id, head.object, head.created, head.model, [echoed])
        ended = output.finish_reason is not None
        said = self._said(output, last=ended)
        if not said and not ended and output.logprobs is None and not want_ids:
            return
        delta = _delta(said)
        ids = output.token_ids if want_ids else None
        logprobs = self._logprobs(output.logprobs)
        running = usage_body(usage) if self.request.usage_in_every_chunk else None
        if ended:
            if said:  # clients leave out the delta of the chunk that has the reason
                text = Choice(output.index, delta, logprobs, None, ids)
                logprobs, ids, delta = (
                    (None if logprobs is None else {"content": []}),
                    [] if want_ids else None,
                    Delta(),
                )
                yield self._chunk(text, running)
            choice: Choice = LastChoice(
                output.index, delta, logprobs, self._finish_reason(output), ids, output.stop_reason
            )
            fingerprint = None if self.request.wants_usage else FINGERPRINT
            yield ChunkWithUsage(
                head.id, head.object, head.created, head.model, [choice], usage=running, system_fingerprint=fingerprint
            )
            return
        yield self._chunk(Choice(output.index, delta, logprobs, None, ids), running)

    def _chunk(self, choice: Choice, running: UsageBody | None) -> Chunk:
        head = self.head
        if running is None:
            return Chunk(head.id, head.object, head.created, head.model, [choice])
        return ChunkWithUsage(head.id, head.object, head.created, head.model, [choice], usage=running)

    def end(self, usage: Usage) -> Iterable[Payload]:
        head = self.head
        if self.request.wants_usage:
            yield ChunkWithUsage(
                head.id,
                head.object,
                head.created,
                head.model,
                [],
                usage=self._usage(usage),
                system_fingerprint=FINGERPRINT,
            )

    def final(self, outputs: list[Output], usage: Usage) -> Reply:
        return Reply(
            body=self.head.reply(
                choices=[self._choice(o) for o in outputs],
                service_tier=None,
                system_fingerprint=FINGERPRINT,
                usage=self._usage(usage),
                prompt_logprobs=prompt_logprobs_body(outputs[0].prompt_logprobs if outputs else None),
                prompt_token_ids=self.prompt_ids,
            )
        )

    def _choice(self, output: Output) -> dict[str, Any]:
        said = self._said(output, last=True)
        content: str | None = self.echo + said.content
        if not content and ((said.calls and not self.use.forced) or said.reasoning):
            content = None
        message: dict[str, Any] = {
            "role": self.role,
            "content": content,
            "refusal": None,
            "annotations": None,
            "audio": None,
            "function_call": None,
            "reasoning": said.reasoning or None,
            "reasoning_content": said.reasoning or None,
        }
        if said.calls:
            message["tool_calls"] = [{"id": c.id, "type": c.type, "function": c.function} for c in said.calls]
        return {
            "index": output.index,
            "message": message,
            "logprobs": self._logprobs(output.logprobs),
            "finish_reason": self._finish_reason(output),
            "stop_reason": output.stop_reason,
            "token_ids": output.token_ids if self.request.return_token_ids else None,
        }

    def _said(self, output: Output, *, last: bool) -> Said:
        said = self.answers[output.index].feed(output.text, output.token_ids, last=last)
        if self.contents:
            said.content = self.contents[output.index].feed(said.content, last=last)
        return said

    def _finish_reason(self, output: Output) -> str | None:
        """Return ``tool_calls`` if an output ended with a call, unless the request demanded just this one, or the
        output was cut off.
        """
        answer = self.answers[output.index]
        called = answer.calls and self.use.choice != "named"
        if output.stop_reason is not None and not answer.whole_calls:
            return output.finish_reason
        return "tool_calls" if called and output.finish_reason == "stop" else output.finish_reason

    def _usage(self, usage: Usage) -> UsageBody:
        reasoning = sum(answer.reasoning_tokens(self.model) for answer in self.answers)
        return usage_body(usage, reasoning if self.model.reasoning_parser is not None else None)

    def _logprobs(self, entries: list[SampledLogprobs] | None) -> dict[str, Any] | None:
        if entries is None:
            return None
        count = None if self.request.logprob_token_ids else self.request.top_logprobs or 0
        count = None if count == -1 else count
        token = self._token
        return {"content": [{**token(e.sampled), "top_logprobs": [token(t) for t in e.top[:count]]} for e in entries]}

    def _token(self, token: TokenLogprob) -> dict[str, Any]:
        text = shown(token, self.request.return_tokens_as_token_ids)
        return {"token": text, "logprob": token.logprob, "bytes": list(token.text.encode())}


def _delta(said: Said) -> Delta:
    reasoning = said.reasoning or None
    return Delta(None, said.content or None, reasoning, reasoning, said.calls or None)


def _last_role(messages: Sequence[Any]) -> str:
    return str(messages[-1]["role"])


def _echo(messages: Sequence[Any], role: str) -> str:
    """Return the last message's text, if the reply goes on in its role."""
    last = messages[-1]
    if last["role"] != role:
        return ""
    content = last.get("content") or ""
    return (
        content
        if isinstance(content, str)
        else "".join(p if isinstance(p, str) else str(p.get("text") or "") for p in content)
    )
