"""The common part of parsers of reasoning: what stands between two markers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from frameworkctl.interfaces import ContentText, ReasoningContext, ReasoningParser, ReasoningText

from .reader import Reader, Steps


class MarkedReasoningParser(ReasoningParser):
    """Reasoning stands between ``start`` and ``end``.

    ``assumed``: an output begins with reasoning, and ``start`` may be missing; without ``end`` it is reasoning as a
    whole. Else reasoning needs ``start``, which must come first unless the markers are tokens that ``repeat``. What a
    template or a request says of it counts more, see ``reasons``. ``breaks`` end reasoning too, and belong to what
    follows.
    """

    start: ClassVar[str]
    end: ClassVar[str]
    assumed: ClassVar[bool] = True
    repeat: ClassVar[bool] = False
    breaks: ClassVar[tuple[str, ...]] = ()

    def __init__(self, context: ReasoningContext) -> None:
        self.reader = Reader()
        self.opened = self.reasons(context)
        self._pieces: list[ReasoningText | ContentText] = []
        self._steps = self.parse()

    @classmethod
    def reasons(cls, context: ReasoningContext) -> bool:
        """Whether the output begins with reasoning: by the end of the prompt, by the request, else ``assumed``."""
        prompt = context.prompt.rstrip()
        if prompt.endswith(cls.end):
            return False
        if prompt.endswith(cls.start):
            return True
        given = context.template_kwargs
        return cls.assumed and given.get("enable_thinking", given.get("thinking")) is not False

    def feed(self, text: str) -> Sequence[ReasoningText | ContentText]:
        self.reader.push(text)
        next(self._steps, None)
        return self._reported()

    def finish(self) -> Sequence[ReasoningText | ContentText]:
        self.reader.ended = True
        for _ in self._steps:
            pass
        return self._reported()

    def parse(self) -> Steps[None]:
        """Read everything."""
        reader = self.reader
        reader.hold()
        yield from reader.spaces()
        reasoning = bool((yield from self.take_start()))
        if not reasoning:
            reader.rewind()
            reasoning = self.opened
        reader.release()
        while True:
            if reasoning:
                if (yield from reader.until(*self.ends(), *self.breaks, sink=self.reasoning)) is None:
                    return
                yield from reader.take(*self.ends())
            if not self.repeat:
                yield from reader.rest(sink=self.content)
                return
            if (yield from reader.until(self.start, sink=self.content)) is None:
                return
            yield from self.take_start()
            reasoning = True

    def take_start(self) -> Steps[str | None]:
        """Read the start of reasoning, if it comes next."""
        return (yield from self.reader.take(self.start))

    def ends(self) -> tuple[str, ...]:
        return (self.end,)

    def reasoning(self, text: str) -> None:
        self._pieces.append(ReasoningText(text))

    def content(self, text: str) -> None:
        self._pieces.append(ContentText(text))

    def _reported(self) -> Sequence[ReasoningText | ContentText]:
        pieces, self._pieces = self._pieces, []
        return pieces
