"""Parsers of what models say: tool calls and reasoning, taken apart while the text still comes."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from frameworkctl.interfaces.markers import API_VERSION


class FunctionTool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the model may call. ``parameters`` is a JSON Schema; None: it takes nothing in particular."""

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] | None = None
    strict: bool = False


class ContentText(msgspec.Struct, frozen=True):
    """Text of the answer, for the user."""

    text: str


class ReasoningText(msgspec.Struct, frozen=True):
    """Text of the reasoning."""

    text: str


class CallBegin(msgspec.Struct, frozen=True):
    """A tool call begins; the arguments that follow are its own. ``id`` is set where the model writes one."""

    name: str
    id: str | None = None


class CallArguments(msgspec.Struct, frozen=True):
    """The next piece of the arguments of the call that began last; joined, the pieces are JSON text."""

    text: str


ToolEvent = ContentText | CallBegin | CallArguments


class ToolParser(ABC):
    """Takes one output apart into content and tool calls. Synchronous, one instance per sequence.

    How the text is cut into pieces must not change what comes out: joined contents and joined arguments are the same
    for every cut, and an answer without streaming is the same parser fed once. What does not begin as a call is
    content. A call whose arguments have begun stays one; cut off, its arguments end where the model stopped.
    """

    api_version: ClassVar[int] = API_VERSION

    @abstractmethod
    def feed(self, text: str) -> Sequence[ToolEvent]:
        """Return what the next piece of text brings, in order; it may be held back until it is clear what it is."""

    @abstractmethod
    def finish(self) -> Sequence[ToolEvent]:
        """Return what was held back when the output ended."""

    def new_id(self) -> str:
        """Return an id for a call to which the model gave none."""
        return f"chatcmpl-tool-{secrets.token_hex(8)}"

    def call_id(self, name: str, number: int, written: str | None = None) -> str:
        """Return the id of a call of the function ``name``.

        ``number`` is how many calls there were before in the conversation, for formats that count them. ``written`` is
        the id that the model wrote, None if it wrote none, or one that was used before.
        """
        return written or self.new_id()


class CallFormat(msgspec.Struct, frozen=True, kw_only=True):
    """Format in which a model writes one call, for constraints.

    ``begin`` and ``end`` stand around the arguments of a certain function, ``trigger`` is how every call begins;
    ``first`` and ``last`` stand around all of them, ``between`` two. ``arguments`` is a grammar in Lark where they are
    not JSON (``start: ...``). An output that begins with ``bare[0]`` is calls too, up to ``bare[1]``. Text beside calls
    has none of ``apart``, which a parser would take for calls.
    """

    begin: str
    end: str
    trigger: str
    first: str = ""
    between: str = ""
    last: str = ""
    arguments: str = ""
    bare: tuple[str, str] | None = None
    apart: tuple[str, ...] = ()


class ToolParserSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A format of tool calls, chosen by name with ``--tool-call-parser NAME``.

    ``parser`` makes one for an output of a request with these tools. ``special_tokens``: the markers of the format are
    special tokens, which must not be left out of the text. ``call_format`` tells how a call of a function is written;
    None where that cannot be said.
    """

    name: str
    parser: Callable[[Sequence[FunctionTool]], ToolParser]
    aliases: tuple[str, ...] = ()
    special_tokens: bool = False
    call_format: Callable[[FunctionTool], CallFormat | None] | None = None
    api_version: int = API_VERSION

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)


class ReasoningParser(ABC):
    """Takes one output apart into reasoning and content; the rules of ``ToolParser`` hold."""

    api_version: ClassVar[int] = API_VERSION

    @abstractmethod
    def feed(self, text: str) -> Sequence[ReasoningText | ContentText]:
        """Return what the next piece of text brings, in order."""

    @abstractmethod
    def finish(self) -> Sequence[ReasoningText | ContentText]:
        """Return what was held back when the output ended."""


class ReasoningContext(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of a request for its reasoning parser.

    ``prompt`` is the rendered prompt: its end shows whether a template has opened or closed the reasoning itself.
    ``template_kwargs`` are the variables that the request gave the template. ``prefill`` is the beginning of the
    message that the output continues (``continue_final_message``), None if the output begins a message.
    ``constrained``: the output must match a format, so one that does not begin as reasoning is an answer.
    """

    prompt: str = ""
    template_kwargs: Mapping[str, Any] = {}
    prefill: str | None = None
    constrained: bool = False


class ReasoningParserSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A format of reasoning, chosen by name with ``--reasoning-parser NAME``.

    ``end`` is the text with which reasoning ends, ``start`` the one with which a model begins reasoning that the prompt
    has not begun; models that write them in other ways have ``other_ends`` and ``other_starts``. What a request demands
    of the output's form holds after the reasoning, and its stop strings count after it.

    ``reasons`` returns whether an output with this context begins with reasoning that ``end`` will close. ``opened``
    returns whether the prompt has begun it; without ``start`` and ``opened`` every output that ``reasons`` is taken to
    be inside reasoning from its first token on. ``may_begin`` returns whether an output may begin reasoning with
    ``start`` before an answer of a demanded form (None: as ``reasons``).
    """

    name: str
    parser: Callable[[ReasoningContext], ReasoningParser]
    end: str
    reasons: Callable[[ReasoningContext], bool]
    start: str = ""
    opened: Callable[[ReasoningContext], bool] | None = None
    may_begin: Callable[[ReasoningContext], bool] | None = None
    other_starts: tuple[str, ...] = ()
    other_ends: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    special_tokens: bool = False
    api_version: int = API_VERSION

    @property
    def starts(self) -> tuple[str, ...]:
        return (self.start, *self.other_starts) if self.start else ()

    @property
    def ends(self) -> tuple[str, ...]:
        return (self.end, *self.other_ends)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)
