"""Runs of a level summed up: rates, percentiles, failures. This is the JSON that ``bench serve`` writes."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from .load import Level, Run

POINTS = (50, 90, 99)


class Spread(msgspec.Struct):
    """Of times, in milliseconds. Between two values a percentile is interpolated."""

    mean: float
    p50: float
    p90: float
    p99: float


class Summary(msgspec.Struct, kw_only=True):
    """A level over all its repetitions: rates are their medians, times are of all requests together."""

    concurrency: int = 0
    rate: float = 0.0
    completed: int
    failed: int
    errors: dict[str, int]  # what was said -> how often
    seconds: list[float]  # of each repetition, as the two below
    output_throughputs: list[float]
    client_shares: list[float]  # of one core, taken by this program
    request_throughput: float
    output_throughput: float  # tokens a second
    total_token_throughput: float  # with those of the prompts
    input_tokens: int
    output_tokens: int
    cached_tokens: int  # of the prompts', found in a cache
    counted: bool  # tokens by the server; else pieces of its answers
    pieces: int = 0  # of answers, between which the ITL is; one may have several tokens
    ttft_ms: Spread | None
    itl_ms: Spread | None
    tpot_ms: Spread | None
    e2e_ms: Spread | None

    @property
    def load(self) -> float:
        """Return where it stands on a chart's axis."""
        return self.rate or self.concurrency


class Report(msgspec.Struct, kw_only=True):
    """Everything that is known of a measurement."""

    date: str
    version: str
    url: str
    model: str
    endpoint: str
    prompts: str  # "token ids" or "text"
    input_len: int
    output_len: int
    shared_prefix_len: int
    seed: int
    notes: list[str] = []
    levels: list[Summary] = []

    @property
    def name(self) -> str:
        return f"{self.model} at {self.url}"


def summarize(level: Level, runs: Sequence[Run]) -> Summary:
    timings = [t for run in runs for t in run.timings]
    errors = Counter(e for run in runs for e in run.errors)
    outputs = [sum(t.output_tokens for t in run.timings) / run.seconds for run in runs]
    totals = [sum(t.output_tokens + t.input_tokens for t in run.timings) / run.seconds for run in runs]
    return Summary(
        concurrency=level.concurrency,
        rate=level.rate,
        completed=len(timings),
        failed=errors.total(),
        errors=dict(errors.most_common()),
        seconds=[round(run.seconds, 4) for run in runs],
        output_throughputs=[round(x, 3) for x in outputs],
        client_shares=[round(run.client_seconds / run.seconds, 4) for run in runs],
        request_throughput=round(statistics.median(len(run.timings) / run.seconds for run in runs), 4),
        output_throughput=round(statistics.median(outputs), 3),
        total_token_throughput=round(statistics.median(totals), 3),
        input_tokens=sum(t.input_tokens for t in timings),
        output_tokens=sum(t.output_tokens for t in timings),
        cached_tokens=sum(t.cached_tokens for t in timings),
        counted=all(t.counted for t in timings),
        pieces=sum(len(t.itl) + 1 for t in timings),
        ttft_ms=spread(t.ttft for t in timings),
        itl_ms=spread(gap for t in timings for gap in t.itl),
        tpot_ms=spread(t.tpot for t in timings if t.tpot is not None),
        e2e_ms=spread(t.e2e for t in timings),
    )


def spread(seconds: Iterable[float]) -> Spread | None:
    """None of nothing."""
    values = sorted(seconds)
    if not values:
        return None
    at = (_percentile(values, p) for p in POINTS)
    return Spread(*(round(1e3 * x, 3) for x in (statistics.fmean(values), *at)))


def _percentile(values: Sequence[float], point: float) -> float:
    """Return a percentile of sorted values, between the two nearest."""
    where = (len(values) - 1) * point / 100
    low = int(where)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (where - low)
