"""The common part of parsers of reasoning: what stands between two markers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from frameworkctl.interfaces import ContentText, ReasoningContext, ReasoningParser, ReasoningParserSpec, ReasoningText

from .reader import Reader, Steps


class MarkedReasoningParser(ReasoningParser):
    """Reasoning stands between ``start`` and ``end``.

    ``assumed``: an output begins with reasoning, and ``start`` may be missing; without ``end`` it is reasoning as a
    whole. Else reasoning needs ``start``, which must come first unless the markers are tokens that ``repeat``. What a
    template or a request says of it counts more, see ``reasons``. Some models also write ``other_starts`` and
    ``other_ends``.
    """

    start: ClassVar[str]
    end: ClassVar[str]
    other_starts: ClassVar[tuple[str, ...]] = ()
    other_ends: ClassVar[tuple[str, ...]] = ()
    assumed: ClassVar[bool] = True
    repeat: ClassVar[bool] = False

    def __init__(self, context: ReasoningContext) -> None:
        self.reader = Reader()
        self.begins = self.opened(context) if context.constrained else self.reasons(context)
        self._pieces: list[ReasoningText | ContentText] = []
        self._steps = self.parse()

    @classmethod
    def spec(cls, name: str, *aliases: str, special_tokens: bool = False) -> ReasoningParserSpec:
        """Return the declaration of this format under ``name``."""
        return ReasoningParserSpec(
            name=name,
            aliases=aliases,
            parser=cls,
            start=cls.start,
            end=cls.end,
            reasons=cls.reasons,
            opened=cls.opened,
            may_begin=cls.may_begin,
            other_starts=cls.other_starts,
            other_ends=cls.other_ends,
            special_tokens=special_tokens,
        )

    @classmethod
    def reasons(cls, context: ReasoningContext) -> bool:
        """Return whether the output begins with reasoning: by the prompt, by the request, else ``assumed``."""
        return cls.opened(context) or (cls.assumed and cls.may_begin(context))

    @classmethod
    def may_begin(cls, context: ReasoningContext) -> bool:
        """Return whether the output may begin reasoning: the prompt has not closed it nor the request refused it."""
        if context.prefill is not None or context.prompt.rstrip().endswith((cls.end, *cls.other_ends)):
            return False
        given = context.template_kwargs
        return given.get("enable_thinking", given.get("thinking")) is not False

    @classmethod
    def opened(cls, context: ReasoningContext) -> bool:
        """Return whether the prompt, or the beginning of the message that the output continues, has begun reasoning."""
        if context.prefill is not None:
            found = context.prefill.rfind
            starts, ends = (cls.start, *cls.other_starts), (cls.end, *cls.other_ends)
            return max(map(found, starts)) > max(map(found, ends))
        return context.prompt.rstrip().endswith((cls.start, *cls.other_starts))

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
            reasoning = self.begins
        reader.release()
        while True:
            if reasoning:
                ends = (self.end, *self.other_ends)
                if (yield from reader.until(*ends, sink=self.reasoning)) is None:
                    return
                yield from reader.take(*ends)
            if not self.repeat:
                yield from reader.rest(sink=self.content)
                return
            if (yield from reader.until(self.start, sink=self.content)) is None:
                return
            yield from self.take_start()
            reasoning = True

    def take_start(self) -> Steps[str | None]:
        """Read the start of reasoning, if it comes next."""
        return (yield from self.reader.take(self.start, *self.other_starts))

    def reasoning(self, text: str) -> None:
        self._pieces.append(ReasoningText(text))

    def content(self, text: str) -> None:
        self._pieces.append(ContentText(text))

    def _reported(self) -> Sequence[ReasoningText | ContentText]:
        pieces, self._pieces = self._pieces, []
        return pieces
