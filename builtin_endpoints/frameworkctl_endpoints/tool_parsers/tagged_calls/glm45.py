"""GLM 4.5 and later: ``<tool_call>NAME``, then pairs of ``<arg_key>`` and ``<arg_value>``, then ``</tool_call>``."""

from __future__ import annotations

import re

from frameworkctl.interfaces import CallFormat, FunctionTool, Register, ToolParserSpec, hookimpl

from frameworkctl_endpoints.parsing.argument_grammars import can_write, tagged
from frameworkctl_endpoints.parsing.reader import Steps
from frameworkctl_endpoints.parsing.tool_text import MarkedToolParser
from frameworkctl_endpoints.parsing.typed_values import ObjectWriter

KEY, END = "<arg_key>", "</tool_call>"
_NAME = re.compile(r"[^<>\s{}]*")
_ENDS = ("</arg_value>", KEY, END)


class GlmParser(MarkedToolParser):
    """A name counts once a key or the end of the call follows."""

    markers = ("<tool_call>",)

    def section(self, marker: str) -> Steps[bool]:
        reader = self.reader
        yield from reader.spaces()
        name = yield from reader.run(_NAME)
        yield from reader.spaces()
        found = yield from reader.take(KEY, END)
        if not name or not found:
            return False
        self.begin(name)
        writer = ObjectWriter(self.tools.get(name), self.arguments)
        writer.open()
        while found == KEY:
            if not (yield from self.pair(writer)):
                return True
            yield from reader.spaces()
            found = yield from reader.take(KEY, END)
        if found or (yield from reader.ahead(1)):
            writer.close()
        return True

    def pair(self, writer: ObjectWriter) -> Steps[bool]:
        """Read a key and its value; False where the text ends before."""
        reader = self.reader
        key: list[str] = []
        if not (yield from reader.until("</arg_key>", sink=key.append)):
            return False
        yield from reader.take("</arg_key>")
        yield from reader.spaces()
        yield from reader.take("<arg_value>")
        found = yield from writer.member("".join(key).strip(), reader, _ENDS, trim=False)
        if found == _ENDS[0]:
            yield from reader.take(found)
        return found is not None


def call_format(tool: FunctionTool) -> CallFormat | None:
    if not can_write(tool):
        return None
    return CallFormat(
        begin=f"<tool_call>{tool.name}\n",
        end=END,
        trigger="<tool_call>",
        between="\n",
        arguments=tagged(tool, lambda key: f"{KEY}{key}</arg_key>\n<arg_value>", _ENDS[0], "\n", _ENDS),
    )


@hookimpl
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    register(
        ToolParserSpec(
            name="glm45", aliases=("glm", "glm47"), parser=GlmParser, special_tokens=True, call_format=call_format
        )
    )
