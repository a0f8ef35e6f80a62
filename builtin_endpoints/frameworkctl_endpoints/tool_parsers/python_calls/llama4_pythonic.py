"""Llama 4: a Python list of calls, ``<|python_start|>[f(a=1)]<|python_end|>``; the markers may be missing."""

from __future__ import annotations

from frameworkctl.interfaces import CallFormat, FunctionTool, Register, ToolParserSpec, hookimpl

from .pythonic import PythonicParser, python_call


class Llama4PythonicParser(PythonicParser):
    """With a marker, the list may stand anywhere."""

    markers = ("<|python_start|>",)
    end = "<|python_end|>"


def call_format(tool: FunctionTool) -> CallFormat | None:
    return python_call(tool, "<|python_start|>", "<|python_end|>")


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(
        ToolParserSpec(
            name="llama4_pythonic", parser=Llama4PythonicParser, special_tokens=True, call_format=call_format
        )
    )
