"""Pooled texts in the engine: sequences of what was asked for, and one answer per request of what a step has ended."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator

from frameworkctl.interfaces.pooling import PoolTask
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.cache import prefix
from frameworkctl.scheduling.cache.manager import CacheManager
from frameworkctl.scheduling.sequence import Sequence
from frameworkctl.scheduling.stopping import Event

from .messages import Pool, Pooled

NOT_SAMPLED = SamplingParams(max_tokens=1)


def sequences(message: Pool, last_id: int, cache: CacheManager, read_whole: frozenset[PoolTask]) -> Iterator[Sequence]:
    """Yield one per text; their ids come after ``last_id``. ``read_whole`` are tasks whose poolers look at all of a
    text.
    """
    root, arrival, groups = prefix.root(message.extras), time.monotonic(), len(cache.groups)
    reads_all = message.params.task in read_whole
    pool, at = message.params, 0
    for place, (number, length) in enumerate(zip(message.numbers, message.lengths, strict=True)):
        tokens = array("i", message.tokens[4 * at : 4 * (at + length)])
        at += length
        if message.seconds:
            pool = message.params.at(message.seconds[place])
        yield Sequence(
            last_id + place + 1,
            message.id,
            number,
            tokens,
            NOT_SAMPLED,
            seed=0,
            limit=length + 1,
            arrival=arrival,
            groups=groups,
            chain_root=root,
            priority=message.priority,
            pool=pool,
            reads_all=reads_all,
            call=message.call,
        )


def pooled(events: Iterable[Event]) -> list[Pooled]:
    """Ends of pooled sequences, put together by request."""
    found: dict[int, list[Event]] = {}
    for event in events:
        found.setdefault(event.seq.request, []).append(event)
    out = []
    for request, ended in found.items():
        vectors = [e.vectors for e in ended if e.vectors is not None]
        out.append(
            Pooled(
                id=request,
                numbers=[e.seq.index for e in ended],
                data=b"".join([v.data for v in vectors]),
                width=vectors[0].width,
                rows=[v.rows for v in vectors if v.rows is not None],
                cached=sum(max(0, e.seq.cached_tokens) for e in ended),
            )
        )
    return out
