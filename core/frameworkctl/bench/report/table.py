"""A report as a person reads it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from frameworkctl.bench.results import Report, Spread, Summary

TIMES = (("TTFT", "ttft_ms"), ("ITL", "itl_ms"), ("e2e", "e2e_ms"))


def table(report: Report) -> str:
    """Columns over all levels, then what went wrong and what has to be known."""
    lengths = f"{report.input_len} tokens in, {report.output_len} out"
    if report.shared_prefix_len:
        lengths = f"{report.shared_prefix_len} shared + {lengths}"
    head = f"{report.name}, {report.endpoint}, {report.prompts}: {lengths}"
    by_rate = any(level.rate for level in report.levels)
    titles = ["rate" if by_rate else "clients", "ok", "failed", "req/s", "out tok/s", "all tok/s"]
    titles += [f"{name} {point}" for name, _ in TIMES for point in ("p50", "p90", "p99")]
    titles += ["cached", "client"]
    lines = [head, "times in ms; client: share of a core that this program took", ""]
    lines += columns(titles, map(_row, report.levels))
    for level in report.levels:
        lines += [f"failed {times} times at {level.load:g}: {what}" for what, times in level.errors.items()]
        if len(level.output_throughputs) > 1:
            least, most = min(level.output_throughputs), max(level.output_throughputs)
            lines.append(f"out tok/s at {level.load:g}: {least:.1f} to {most:.1f} in {len(level.seconds)} repetitions")
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def _row(level: Summary) -> list[str]:
    times = [cell for _, name in TIMES for cell in _cells(getattr(level, name))]
    share = statistics.median(level.client_shares)
    return [
        f"{level.load:g}",
        str(level.completed),
        str(level.failed),
        f"{level.request_throughput:.2f}",
        f"{level.output_throughput:.1f}",
        f"{level.total_token_throughput:.1f}",
        *times,
        str(level.cached_tokens),
        f"{share:.0%}",
    ]


def _cells(spread: Spread | None) -> list[str]:
    return ["-"] * 3 if spread is None else [f"{x:.1f}" for x in (spread.p50, spread.p90, spread.p99)]


def columns(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Right-aligned."""
    cells = [titles, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(titles))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
