"""Llama 4: a Python list of calls, ``<|python_start|>[f(a=1)]<|python_end|>``; the markers may be missing."""

from __future__ import annotations

from frameworkctl.interfaces import Register, ToolParserSpec, hookimpl

from .pythonic import PythonicParser


class Llama4PythonicParser(PythonicParser):
    """With a marker, the list may stand anywhere."""

    markers = ("<|python_start|>",)
    end = "<|python_end|>"


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(ToolParserSpec(name="llama4_pythonic", parser=Llama4PythonicParser, special_tokens=True))
