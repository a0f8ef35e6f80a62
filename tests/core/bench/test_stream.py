"""Streams in whatever pieces they arrive, and what their times say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from frameworkctl.bench.stream import Refused, Stream, message_of


def event(**fields: Any) -> str:
    return f"data: {json.dumps(fields)}\n\n"


def text(words: str, reason: str | None = None) -> str:
    return event(choices=[{"index": 0, "text": words, "finish_reason": reason, "logprobs": None}])


def chat(**delta: Any) -> str:
    return event(choices=[{"delta": delta, "finish_reason": None}])


DONE = "data: [DONE]\n\n"
CLOSED = event(choices=[{"delta": {}, "finish_reason": "stop"}])


def usage(tokens: int, prompt: int = 7, cached: int | None = None) -> str:
    details = None if cached is None else {"cached_tokens": cached, "audio_tokens": 0}
    return event(
        choices=[],
        usage={"prompt_tokens": prompt, "completion_tokens": tokens, "prompt_tokens_details": details},
    )


def fed(*pieces: str) -> Stream:
    """One piece each second, from second 1 on."""
    stream = Stream()
    for second, piece in enumerate(pieces, 1):
        stream.feed(piece.encode(), float(second))
    return stream


def test_times_of_an_answer() -> None:
    stream = Stream()
    for when, piece in ((2.0, "a"), (2.5, "b"), (4.0, "c")):
        stream.feed(text(piece, "length" if piece == "c" else None).encode(), when)
    stream.feed((usage(3, prompt=9, cached=4) + DONE).encode(), 4.25)
    timing = stream.timing(sent=1.0, ended=5.0)
    assert (timing.ttft, timing.itl, timing.e2e) == (1.0, [0.5, 1.5], 4.0)
    assert (timing.input_tokens, timing.output_tokens, timing.cached_tokens) == (9, 3, 4)
    assert timing.counted
    assert timing.tpot == 1.5  # three seconds for two tokens


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [1, 2, 7, 50, 10_000])
def test_pieces_may_end_anywhere(size: int, newline: str) -> None:
    whole = (": hello\n\n" + text("Ã¼") + text("") + text("z", "stop") + usage(3) + DONE).replace("\n", newline)
    data = whole.encode()
    stream = Stream()
    for i in range(0, len(data), size):
        stream.feed(data[i : i + size], 1.0)
    assert stream.timing(0.0, 1.0).output_tokens == len(stream.stamps) == 3


def test_several_pieces_at_once_have_one_time() -> None:
    timing = fed(text("a"), text("b") + text("c"), usage(3) + text("", "stop") + DONE).timing(0.0, 3.0)
    assert timing.itl == [1.0, 0.0]


def test_tokens_are_those_the_server_counts() -> None:
    """A piece may have several tokens."""
    timing = fed(text("a b c"), text("d e", "length"), usage(5), DONE).timing(0.0, 4.0)
    assert (timing.output_tokens, timing.counted, len(timing.itl)) == (5, True, 1)
    timing = fed(text("a b c"), text("d e", "length"), DONE).timing(0.0, 3.0)
    assert (timing.output_tokens, timing.counted) == (2, False)


def test_what_opens_and_closes_a_chat_is_no_token() -> None:
    pieces = [chat(role="assistant", content=""), chat(content="Hi"), chat(content="!"), CLOSED, usage(2), DONE]
    timing = fed(*pieces).timing(0.0, 6.0)
    assert (timing.ttft, timing.itl) == (2.0, [1.0])
    pieces[3] = event(choices=[{"delta": {"content": ""}, "finish_reason": "stop"}])  # an empty piece that closes
    timing = fed(*pieces).timing(0.0, 6.0)
    assert (timing.ttft, timing.itl) == (2.0, [1.0])


def test_reasoning_is_text() -> None:
    pieces = [chat(reasoning_content="hm"), chat(reasoning="hm"), chat(content="so"), CLOSED, DONE]
    assert fed(*pieces).timing(0.0, 5.0).output_tokens == 3


@pytest.mark.parametrize(
    ("pieces", "what"),
    [
        ([text("a")], "cut short"),
        ([DONE], "no text"),
        ([text("a"), event(error={"message": "the engine\ndied", "code": 500}), DONE], "^the engine died$"),
        ([text("a"), "data: {nonsense\n\n", DONE], "cannot be read"),
    ],
)
def test_answers_that_do_not_count(pieces: list[str], what: str) -> None:
    with pytest.raises(Refused, match=what):
        fed(*pieces).timing(0.0, 9.0)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "a\\n b", "type": "x"}}', "a b"),
        (b'{"error": "plain"}', "plain"),
        (b'{"message": "vllm", "object": "error"}', "vllm"),
        (b'{"detail": "fastapi"}', "fastapi"),
        (b"<html> bad\ngateway", "<html> bad gateway"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_errors_on_one_line(body: bytes, said: str) -> None:
    assert message_of(body) == said
