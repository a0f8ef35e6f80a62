"""Qwen 3 Coder: ``<tool_call><function=NAME><parameter=KEY>VALUE</parameter></function></tool_call>``."""

from __future__ import annotations

import re

from frameworkctl.interfaces import CallFormat, FunctionTool, Register, ToolParserSpec, hookimpl

from frameworkctl_endpoints.parsing.argument_grammars import can_write, tagged
from frameworkctl_endpoints.parsing.reader import Steps
from frameworkctl_endpoints.parsing.tool_text import MarkedToolParser
from frameworkctl_endpoints.parsing.typed_values import ObjectWriter

FUNCTION, PARAMETER = "<function=", "<parameter="
_NAME = re.compile(r"[^<>\s]*")
_ENDS = ("</parameter>", PARAMETER, "</function>")


class QwenXmlParser(MarkedToolParser):
    """``<tool_call>`` may be missing, and so may the end of a parameter."""

    markers = ("<tool_call>", FUNCTION)

    def section(self, marker: str) -> Steps[bool]:
        reader = self.reader
        if marker != FUNCTION:
            yield from reader.spaces()
            if not (yield from reader.take(FUNCTION)):
                return False
        name = yield from self.name()
        if not name:
            return False
        self.begin(name)
        yield from self.parameters(ObjectWriter(self.tools.get(name), self.arguments))
        yield from reader.spaces()
        yield from reader.take("</tool_call>")
        return True

    def name(self) -> Steps[str | None]:
        """Read a name and the bracket behind it."""
        reader = self.reader
        yield from reader.spaces()
        name = yield from reader.run(_NAME)
        yield from reader.spaces()
        return name if (yield from reader.take(">")) else None

    def parameters(self, writer: ObjectWriter) -> Steps[None]:
        """Read up to the end of the function; what is broken ends there as well."""
        reader = self.reader
        writer.open()
        while True:
            yield from reader.spaces()
            found = yield from reader.take(PARAMETER, "</function>")
            if found == PARAMETER and (key := (yield from self.name())):
                if (yield from writer.member(key, reader, _ENDS, trim=True)) == _ENDS[0]:
                    yield from reader.take(_ENDS[0])
                continue
            if found == "</function>" or (yield from reader.ahead(1)):
                writer.close()
            return


def call_format(tool: FunctionTool) -> CallFormat | None:
    if not can_write(tool):
        return None
    return CallFormat(
        begin=f"<tool_call>\n{FUNCTION}{tool.name}>\n",
        end="</function>\n</tool_call>",
        trigger="<tool_call>",
        between="\n",
        apart=(FUNCTION,),
        arguments=tagged(tool, lambda key: f"{PARAMETER}{key}>\n", "\n</parameter>", "\n", (*_ENDS, "</tool_call>")),
    )


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(ToolParserSpec(name="qwen3_coder", parser=QwenXmlParser, special_tokens=True, call_format=call_format))
