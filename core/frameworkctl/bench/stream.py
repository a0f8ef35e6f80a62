"""One streamed answer as it arrives: when each piece came, how many tokens there were, and whether it ended well."""

from __future__ import annotations

from itertools import pairwise

import msgspec


class Refused(Exception):
    """The server answered, but not with what was asked for."""


class _Delta(msgspec.Struct):
    role: str | None = None
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct):
    text: str | None = None
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None


class _Event(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: msgspec.Raw = msgspec.Raw()


class Timing(msgspec.Struct):
    """Times of one request, in seconds."""

    ttft: float
    itl: list[float]  # gaps between pieces
    e2e: float
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    counted: bool = True  # by the server; else a piece was taken for a token

    @property
    def tpot(self) -> float | None:
        """Time per token after the first."""
        return (self.e2e - self.ttft) / (self.output_tokens - 1) if self.output_tokens > 1 else None


_decode = msgspec.json.Decoder(_Event).decode


class Stream:
    """Takes the bytes of server-sent events, in whatever pieces they come."""

    __slots__ = ("_finished", "_problem", "_rest", "_usage", "stamps")

    def __init__(self) -> None:
        self.stamps: list[float] = []  # when each piece of text came
        self._rest = b""
        self._usage: _Usage | None = None
        self._finished = False
        self._problem: str | None = None

    def feed(self, data: bytes, now: float) -> None:
        """Raise nothing: ``timing`` tells what was wrong."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self._event(line[5:].strip(), now)

    def _event(self, data: bytes, now: float) -> None:
        if data == b"[DONE]":
            self._finished = True
            return
        try:
            event = _decode(data)
        except msgspec.DecodeError as e:
            self._problem = f"an event cannot be read ({e}): {data[:100]!r}"
            return
        if bytes(event.error) not in (b"", b"null"):
            self._problem = message_of(data)
        if event.usage is not None:
            self._usage = event.usage
        for choice in event.choices:
            if _has_text(choice):
                self.stamps.append(now)
            self._finished |= choice.finish_reason is not None

    def timing(self, sent: float, ended: float) -> Timing:
        """Raise Refused for an answer that was cut short, had no text, or an error in it."""
        stamps, usage = self.stamps, self._usage
        if self._problem is not None:
            raise Refused(self._problem)
        if not self._finished:
            raise Refused("the stream was cut short")
        if usage is not None and len(stamps) == usage.completion_tokens + 1:
            stamps = stamps[:-1]  # the last piece has no token, it only closes the choice
        if not stamps:
            raise Refused("the stream had no text")
        details = usage.prompt_tokens_details if usage is not None else None
        return Timing(
            ttft=stamps[0] - sent,
            itl=[b - a for a, b in pairwise(stamps)],
            e2e=ended - sent,
            input_tokens=usage.prompt_tokens if usage is not None else 0,
            output_tokens=usage.completion_tokens if usage is not None else len(stamps),
            cached_tokens=(details.cached_tokens or 0) if details is not None else 0,
            counted=usage is not None,
        )


def _has_text(choice: _Choice) -> bool:
    """Return whether a piece has text, be it empty: a token may end within a character. An opening message has none."""
    delta = choice.delta
    if delta is None:
        return choice.text is not None
    if delta.role and not delta.content:
        return False
    return (delta.content, delta.reasoning, delta.reasoning_content) != (None, None, None)


def message_of(body: bytes) -> str:
    """Return what an error body says, on one line: OpenAI's form, ``detail``, or the text itself."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    if isinstance(found, dict):
        error = found.get("error", found)
        found = (error.get("message") or error.get("detail")) if isinstance(error, dict) else error
    text = found if isinstance(found, str) else body.decode(errors="replace")
    return " ".join(text.split())[:300]
