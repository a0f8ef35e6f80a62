"""Filters for text that an endpoint takes from elsewhere than an output's ``text``."""

from __future__ import annotations

from typing import Protocol

from frameworkctl.interfaces.generation.parsers import ReasoningParser, ToolParser


class TextStream(Protocol):
    """A text that comes in pieces."""

    def feed(self, text: str, *, last: bool = False) -> str:
        """Return what may be shown now; pieces may be held back until the ``last`` one."""


class Guard(Protocol):
    """The output filters of a call. Outputs have passed them when an endpoint gets them, and so have the prompts of the
    Work that a formatter is made for. What is made of them later is not the text that the filters saw: where a parser
    takes markers away, what stood on both sides comes together.
    """

    def text(self, text: str) -> str:
        """Return a whole text as it may be shown."""

    def stream(self) -> TextStream:
        """Return the same for a text that comes in pieces."""

    def tool_parser(self, parser: ToolParser) -> ToolParser:
        """Return the parser, with filters on contents, names and arguments; the same one where there are no filters."""

    def reasoning_parser(self, parser: ReasoningParser) -> ReasoningParser:
        """Return the parser, with filters on contents and reasoning; the same one where there are no filters."""


class NoGuard:
    """For calls without filters."""

    def __repr__(self) -> str:
        return "NO_GUARD"

    def text(self, text: str) -> str:
        return text

    def stream(self) -> TextStream:
        return self

    def feed(self, text: str, *, last: bool = False) -> str:
        return text

    def tool_parser(self, parser: ToolParser) -> ToolParser:
        return parser

    def reasoning_parser(self, parser: ReasoningParser) -> ReasoningParser:
        return parser


NO_GUARD: Guard = NoGuard()
