"""One output of a chat, taken apart into reasoning, content and tool calls."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec
from frameworkctl.interfaces import (
    CallArguments,
    CallBegin,
    ContentText,
    ReasoningParser,
    ReasoningText,
    ServedModel,
    ToolEvent,
    ToolParser,
)


class FunctionDelta(msgspec.Struct, omit_defaults=True):
    """``arguments`` is JSON text, or the next piece of it."""

    name: str | None = None
    arguments: str | None = None


class CallDelta(msgspec.Struct, omit_defaults=True):
    """News of a tool call; the first one has id, type and name."""

    index: int
    id: str | None = None
    type: str | None = None
    function: FunctionDelta = msgspec.field(default_factory=FunctionDelta)


class Said(msgspec.Struct):
    """News of an answer; empty texts mean nothing."""

    content: str = ""
    reasoning: str = ""
    calls: list[CallDelta] = msgspec.field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.content or self.reasoning or self.calls)


class Answer:
    """Feed it an output as it comes. ``calls`` is how many calls have begun.

    Without ``parallel`` only the first call counts; without ``show_reasoning`` reasoning is left out. ``earlier_ids``
    are the ids of the conversation's calls, which no new call may repeat. Calls of functions that are not ``allowed``
    (None: all are) become content, as JSON: a client must not make them, and nobody should lose what the model said.
    """

    def __init__(
        self,
        reasoning: ReasoningParser | None,
        tools: ToolParser | None,
        *,
        parallel: bool = True,
        show_reasoning: bool = True,
        earlier_ids: Sequence[str] = (),
        allowed: Collection[str] | None = None,
    ) -> None:
        self._reasoning, self._tools = reasoning, tools
        self._most = None if parallel else 1
        self._show, self._allowed = show_reasoning, allowed
        self._refused = False  # inside a call that is not allowed
        self.calls = 0
        self._arguments_said: list[str] = []  # of the call that counts and began last
        self._call_ids, self._earlier = set(earlier_ids), len(earlier_ids)
        self._thoughts: list[str] = []
        self._ids: list[int] = []
        self._answered = False  # something came after the reasoning

    def feed(self, text: str, token_ids: Sequence[int] = (), *, last: bool = False) -> Said:
        """Return what the next piece of text brings, which the tokens made; ``last`` ends the output."""
        said = Said()
        if self._reasoning is None:
            self._after_reasoning(text, said)
        else:
            self._ids += token_ids
            pieces = list(self._reasoning.feed(text))
            if last:
                pieces += self._reasoning.finish()
            for piece in pieces:
                if isinstance(piece, ReasoningText):
                    self._thoughts.append(piece.text)
                    said.reasoning += piece.text if self._show else ""
                else:
                    self._after_reasoning(piece.text, said)
        if last and self._tools is not None:
            self._report(self._tools.finish(), said)
            self._end_refused(said)
        return said

    @property
    def whole_calls(self) -> bool:
        """Return whether the arguments of the last call are JSON: a stop string did not cut them."""
        try:
            msgspec.json.decode("".join(self._arguments_said) or "{}")
        except (msgspec.DecodeError, RecursionError):
            return False
        return True

    def reasoning_tokens(self, model: ServedModel) -> int:
        """Return how many tokens were reasoning: those before the marker that ends it."""
        thoughts = "".join(self._thoughts)
        if model.reasoning_parser is None or not thoughts:
            return 0
        if not self._answered:
            return len(self._ids)
        end = model.tokenizer.encode(model.reasoning_parser.end, add_special_tokens=False)
        places = range(len(self._ids) - len(end) + 1)
        found = next((p for p in places if self._ids[p : p + len(end)] == end), None)
        return len(model.tokenizer.encode(thoughts, add_special_tokens=False)) if found is None else found

    def _after_reasoning(self, text: str, said: Said) -> None:
        self._answered = self._answered or bool(text)
        if self._tools is None:
            said.content += text
        else:
            self._report(self._tools.feed(text), said)

    def _report(self, events: Iterable[ToolEvent], said: Said) -> None:
        for event in events:
            if not isinstance(event, CallArguments):
                self._end_refused(said)
            match event:
                case ContentText(text=text):
                    said.content += text
                case CallBegin(name=name) if self._allowed is not None and name not in self._allowed:
                    self._refused = True
                    said.content += f'{{"name": {msgspec.json.encode(name).decode()}, "arguments": '
                case CallArguments(text=text) if self._refused:
                    said.content += text
                case CallBegin(name=name, id=id):
                    self.calls += 1
                    if self._counts():
                        assert self._tools is not None
                        number = self._earlier + self.calls - 1
                        call_id = self._tools.call_id(name, number, None if id in self._call_ids else id)
                        while call_id in self._call_ids:  # the model has left numbers out
                            number += 1
                            call_id = self._tools.call_id(name, number)
                        self._call_ids.add(call_id)
                        self._arguments_said = []
                        said.calls.append(CallDelta(self.calls - 1, call_id, "function", FunctionDelta(name, "")))
                case CallArguments(text=text) if self._counts():
                    self._arguments(text, said)

    def _end_refused(self, said: Said) -> None:
        if self._refused:
            said.content += "}"
            self._refused = False

    def _counts(self) -> bool:
        return self._most is None or self.calls <= self._most

    def _arguments(self, text: str, said: Said) -> None:
        index = self.calls - 1
        self._arguments_said.append(text)
        if said.calls and said.calls[-1].index == index:
            function = said.calls[-1].function
            function.arguments = (function.arguments or "") + text
        else:
            said.calls.append(CallDelta(index, function=FunctionDelta(arguments=text)))
