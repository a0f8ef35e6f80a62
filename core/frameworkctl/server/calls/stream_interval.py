"""Streams whose payloads come every so many tokens rather than with each."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from frameworkctl.interfaces.requests.outputs import Output

from .generation import merge


async def spaced(outputs: AsyncGenerator[Output, None], interval: int) -> AsyncGenerator[Output, None]:
    """Outputs joined until they have ``interval`` tokens; a sequence's first and last come at once."""
    held: dict[tuple[int, int], Output] = {}
    begun: set[tuple[int, int]] = set()
    async with aclosing(outputs):
        async for output in outputs:
            key = (output.item, output.index)
            merge(held, output)
            whole = held[key]
            if key not in begun or whole.finish_reason is not None or len(whole.token_ids) >= interval:
                begun.add(key)
                yield held.pop(key)
