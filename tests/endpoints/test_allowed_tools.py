"""``tool_choice`` of type ``allowed_tools``: only those may be called."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from frameworkctl.errors import RequestError
from frameworkctl_endpoints.chat.answer import Answer
from frameworkctl_endpoints.chat.request import ChatRequest
from frameworkctl_endpoints.chat.tools import tool_use
from frameworkctl_endpoints.tool_parsers.json_calls.hermes import HermesParser

TOOLS = [{"type": "function", "function": {"name": name}} for name in "abc"]


def use_of(mode: Any, tools: Any) -> Any:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}
    return tool_use(msgspec.convert({"messages": [], "tools": TOOLS, "tool_choice": choice}, ChatRequest))


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_only_those_are_left(mode: str) -> None:
    use = use_of(mode, [TOOLS[2], {"type": "function", "name": "a"}])
    assert use.choice == mode
    assert [tool.name for tool in use.tools] == [tool.name for tool in use.demanded] == ["a", "c"]


@pytest.mark.parametrize(
    ("mode", "tools"),
    [
        ("none", [TOOLS[0]]),
        (None, [TOOLS[0]]),
        ("auto", []),
        ("auto", None),
        ("auto", ["a"]),
        ("auto", [{"name": []}]),
        ("required", [{"function": {"name": "z"}}]),
        ([], [TOOLS[0]]),
    ],
)
def test_what_names_none(mode: Any, tools: Any) -> None:
    with pytest.raises(RequestError) as caught:
        use_of(mode, tools)
    assert (caught.value.param or "").startswith("tool_choice.allowed_tools")


CALLS = [f'<tool_call>{{"name": "{name}", "arguments": {{"x": "{name}"}}}}</tool_call>' for name in "abc"]


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_calls_of_others_are_content(step: int) -> None:
    """Where no constraint can keep a model from it."""
    text, answer = "Hm. " + "".join(CALLS), Answer(None, HermesParser([]), allowed={"b"})
    said = [answer.feed(text[i : i + step], last=i + step >= len(text)) for i in range(0, len(text), step)]
    content = "".join(s.content for s in said)
    assert content == 'Hm. {"name": "a", "arguments": {"x": "a"}}{"name": "c", "arguments": {"x": "c"}}'
    assert [c.function.name for s in said for c in s.calls if c.id] == ["b"]
    assert "".join(c.function.arguments or "" for s in said for c in s.calls) == '{"x": "b"}'
    assert answer.calls == 1
