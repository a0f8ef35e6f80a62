"""Qwen 3 in XML, a name of its own for the format of Qwen 3 Coder."""

from __future__ import annotations

from frameworkctl.interfaces import Register, ToolParserSpec, hookimpl

from .qwen3_coder import QwenXmlParser, call_format


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(
        ToolParserSpec(
            name="qwen3_xml", aliases=("mimo",), parser=QwenXmlParser, special_tokens=True, call_format=call_format
        )
    )
