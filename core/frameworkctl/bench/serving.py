"""``bench serve``: levels of load, one after another, on a server that runs already."""

from __future__ import annotations

import asyncio
import datetime
import statistics
from typing import Any

import msgspec

from frameworkctl.bench.report.progress import Progress
from frameworkctl.errors import ConfigError
from frameworkctl.version import VERSION

from .dialect import COMPLETIONS, find_dialect
from .http import Connection, Target
from .load import Generator, Level, Run
from .results import Report, Summary, summarize
from .workload import Dialect, Workload, bodies

BUSY_CLIENT = 0.8  # of a core: beyond, the figures are this program's rather than the server's
WARM_TOKENS = 16
SEVERAL = 1.05  # tokens in a piece, beyond which the time between pieces is not that between tokens


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Plan of ``measure``. ``requests`` 0: four for each client, eight at least; thirty seconds' at a rate."""

    url: str
    levels: tuple[Level, ...]
    load: Workload
    requests: int = 0
    repeat: int = 1
    warmups: int | None = None  # None: as many as there are clients at most
    path: str = COMPLETIONS
    model: str | None = None
    api_key: str | None = None
    ids: range | None = None  # token ids to make prompts of
    extra: dict[str, Any] = {}  # more fields of every body
    timeout: float = 600.0

    def count(self, level: Level) -> int:
        return self.requests or max(8, round(30 * level.rate) if level.rate else 4 * level.concurrency)


async def measure(plan: Plan, *, show: bool = False) -> Report:
    """Return all levels, repeated in turn so that drift meets all alike. ``show``: progress, where there is a terminal.

    Raises:
        ConfigError: the server cannot be reached or refuses every form of request.
    """
    target = Target.parse(plan.url, plan.api_key)
    dialect = await _meet(target, plan)
    generator = Generator(target, dialect.path, plan.timeout)
    runs: dict[Level, list[Run]] = {level: [] for level in plan.levels}
    total = plan.repeat * sum(map(plan.count, plan.levels))
    try:
        await _warm_up(generator, plan, dialect)
        with Progress(total, generator if show else None) as progress:
            for number in range(plan.repeat):
                for level in plan.levels:
                    progress.name(str(level))
                    run = f"{level}/{number}"
                    asked = bodies(plan.load, dialect, run, plan.count(level))
                    runs[level].append(await progress.during(generator.run(level, asked, f"{plan.load.seed}/{run}")))
    finally:
        generator.close()
    return report(plan, dialect, target.url, [summarize(level, found) for level, found in runs.items()])


async def _meet(target: Target, plan: Plan) -> Dialect:
    connection = Connection(target)
    try:
        async with asyncio.timeout(plan.timeout):
            return await find_dialect(
                connection, target, plan.load, path=plan.path, model=plan.model, ids=plan.ids, extra=plan.extra
            )
    except TimeoutError:
        raise ConfigError(f"{target.url} did not answer within {plan.timeout:g} s") from None
    finally:
        connection.close()


async def _warm_up(generator: Generator, plan: Plan, dialect: Dialect) -> None:
    most = max((level.concurrency for level in plan.levels), default=0) or 1
    count = most if plan.warmups is None else plan.warmups
    if count:
        short = msgspec.structs.replace(plan.load, output_len=min(WARM_TOKENS, plan.load.output_len))
        await generator.run(Level(concurrency=min(most, count)), bodies(short, dialect, "warmup", count))
        generator.ended = 0


def report(plan: Plan, dialect: Dialect, url: str, levels: list[Summary]) -> Report:
    load = plan.load
    notes = [*dialect.notes, *(note for level in levels for note in _notes(plan, level))]
    return Report(
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        version=VERSION,
        url=url,
        model=dialect.model,
        endpoint=dialect.path,
        prompts="text" if dialect.ids is None else "token ids",
        input_len=load.input_len,
        output_len=load.output_len,
        shared_prefix_len=load.shared_prefix_len,
        seed=load.seed,
        notes=notes,
        levels=levels,
    )


def _notes(plan: Plan, level: Summary) -> list[str]:
    """Return what a reader of the figures has to know."""
    name = Level(level.concurrency, level.rate)
    found = []
    if level.completed:
        mean = level.output_tokens / level.completed
        if abs(mean - plan.load.output_len) > 0.01 * plan.load.output_len:
            found.append(f"{name}: answers had {mean:.1f} tokens on average, not {plan.load.output_len}")
        if level.counted and level.output_tokens > SEVERAL * level.pieces and level.tpot_ms is not None:
            several, each = level.output_tokens / level.pieces, level.tpot_ms.p50
            found.append(
                f"{name}: a piece of an answer had {several:.1f} tokens on average, so the ITL is that of so many;"
                f" the time per token was {each:.1f} ms (p50)"
            )
        if not level.counted:
            found.append(f"{name}: the server does not count tokens; a piece of an answer is taken for one")
    share = statistics.median(level.client_shares)
    if share > BUSY_CLIENT:
        found.append(f"{name}: this program took {share:.0%} of a core, and may be what limits the figures")
    return found
