"""Llama 3.2 and others: an output that is a Python list of calls, ``[f(a=1), g(b="x")]``."""

from __future__ import annotations

from typing import ClassVar

from frameworkctl.interfaces import CallFormat, FunctionTool, Register, ToolParserSpec, hookimpl

from frameworkctl_endpoints.parsing.argument_grammars import can_write, keywords
from frameworkctl_endpoints.parsing.python_calls import call_list
from frameworkctl_endpoints.parsing.reader import Steps
from frameworkctl_endpoints.parsing.tool_text import MarkedToolParser


class PythonicParser(MarkedToolParser):
    """Without a marker, the list must come first: lists of calls within text are code."""

    markers: ClassVar[tuple[str, ...]] = ("<|python_tag|>",)
    end: ClassVar[str] = "<|eom_id|>"

    def parse(self) -> Steps[None]:
        reader = self.reader
        self.content((yield from reader.spaces()))
        if (yield from reader.ahead(1)) == "[":
            reader.hold()
            yield from self.section("")
            reader.rewind()
        yield from super().parse()

    def section(self, marker: str) -> Steps[bool]:
        yield from self.reader.spaces()
        if not (yield from call_list(self)):
            return False
        self.reader.release()
        yield from self.reader.take(self.end)
        return True


def python_call(tool: FunctionTool, marker: str = "", end: str = "") -> CallFormat | None:
    """Return a list of calls behind a marker where there is one, or at the beginning of an output."""
    if not can_write(tool):
        return None
    return CallFormat(
        begin=f"{tool.name}(",
        end=")",
        trigger=marker,
        first=f"{marker}[",
        between=", ",
        last=f"]{end}",
        bare=("[", "]"),
        arguments=keywords(tool),
    )


def call_format(tool: FunctionTool) -> CallFormat | None:
    return python_call(tool)


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(ToolParserSpec(name="pythonic", parser=PythonicParser, special_tokens=True, call_format=call_format))
