"""The family's own half: what a request becomes, and what an answer looks like."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from frameworkctl.interfaces import FinishReason, Output, Usage
from frameworkctl_summaries import Summaries, SummaryFormatter, SummaryRequest


class Model:
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self.asked: dict[str, Any] = {}

    def render_chat(self, messages: list[dict[str, str]]) -> SimpleNamespace:
        self.messages = messages
        return SimpleNamespace(ids=[1, 2, 3])

    def sampling(self, prompt: Any, given: dict[str, Any], *, default_max_tokens: int) -> dict[str, Any]:
        self.asked = {"default": default_max_tokens, **given}
        return self.asked


def output(text: str, finish_reason: FinishReason | None = None) -> Output:
    return Output(item=0, index=0, text=text, token_ids=[], finish_reason=finish_reason)


def test_request_becomes_a_chat_with_the_text_in_it() -> None:
    model = Model()
    work = Summaries().render(SummaryRequest(text="Long story.", max_tokens=9, stream=True), model)
    assert work.stream
    assert len(work.items) == 1
    assert model.messages[0]["role"] == "user"
    assert model.messages[0]["content"].endswith("Long story.")
    assert model.asked == {"default": 64, "max_tokens": 9}


def test_stream_ends_with_done() -> None:
    usage = Usage(prompt_tokens=3)
    outputs = [output("a"), output("b", "stop")]
    told = [payload for one in outputs for payload in SummaryFormatter().delta(one, usage)]
    assert told == [{"summary": "a", "done": False}, {"summary": "b", "done": True}]


def test_whole_answer_counts_its_tokens() -> None:
    reply = SummaryFormatter().final([output("ab", "stop")], Usage(prompt_tokens=3, completion_tokens=2))
    assert reply.body == {"summary": "ab", "tokens": 5}


@pytest.mark.parametrize("body", [b'{"text": ""}', b"{}", b'{"text": 5}'])
def test_text_must_be_some_text(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError, match="text"):
        msgspec.json.decode(body, type=SummaryRequest)
