"""Calls that a request demands: the output is their JSON and nothing else."""

from __future__ import annotations

from .json_calls import call_list
from .reader import Steps
from .tool_text import TextToolParser


class ListParser(TextToolParser):
    """``[{"name": ..., "parameters": {...}}, ...]``; what does not begin so is content."""

    def parse(self) -> Steps[None]:
        reader = self.reader
        reader.hold()
        yield from reader.spaces()
        yield from call_list(self)
        reader.rewind()
        yield from reader.rest(sink=self.content)


class NamedParser(TextToolParser):
    """Everything is the arguments of one function."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__()

    def parse(self) -> Steps[None]:
        yield from self.reader.spaces()
        if (yield from self.reader.ahead(1)):
            self.begin(self.name)
            yield from self.reader.rest(sink=self.arguments)
