"""Calls that a request demands: the output is their JSON and nothing else."""

from __future__ import annotations

from frameworkctl.interfaces import ToolParser

from .json_calls import call_list
from .reader import Steps
from .tool_text import TextToolParser


class _ForcedParser(TextToolParser):
    """Calls in JSON; ``own`` is the parser of the model's own format, whose ids they have."""

    def __init__(self, own: ToolParser | None = None) -> None:
        self._own = own
        super().__init__()

    def call_id(self, name: str, number: int, written: str | None = None) -> str:
        return (super().call_id if self._own is None else self._own.call_id)(name, number, written)


class ListParser(_ForcedParser):
    """``[{"name": ..., "parameters": {...}}, ...]``; what does not begin so is content."""

    def parse(self) -> Steps[None]:
        reader = self.reader
        reader.hold()
        yield from reader.spaces()
        if (yield from call_list(self)):
            reader.release()
        reader.rewind()
        yield from reader.rest(sink=self.content)


class NamedParser(_ForcedParser):
    """Everything is the arguments of one function."""

    def __init__(self, name: str, own: ToolParser | None = None) -> None:
        self.name = name
        super().__init__(own)

    def parse(self) -> Steps[None]:
        yield from self.reader.spaces()
        if (yield from self.reader.ahead(1)):
            self.begin(self.name)
            yield from self.reader.rest(sink=self.arguments)
