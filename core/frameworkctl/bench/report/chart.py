"""Times to first token, gaps between tokens and throughput against load: a picture of one or several reports."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from frameworkctl.bench.results import Report, Spread, Summary

from .canvas import Canvas, Point, canvas

WIDTH, PANEL, HEIGHT = 1080, 330, 380
LEFT, TOP, BOTTOM = 56, 44, 262  # of a panel's axes
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")  # told apart by most eyes
GREY, PALE = "#666666", "#dddddd"
LEGEND_ROW = 18
TICKS = 5

Curve = Callable[[Summary], float | None]


def _of(times: str, point: str) -> Curve:
    def value(level: Summary) -> float | None:
        spread: Spread | None = getattr(level, times)
        return None if spread is None else float(getattr(spread, point))

    return value


# Title, and for each curve its width and values: the bold one is the median.
PANELS: tuple[tuple[str, tuple[tuple[float, Curve], ...]], ...] = (
    ("time to first token, ms", ((2.2, _of("ttft_ms", "p50")), (0.8, _of("ttft_ms", "p99")))),
    ("between tokens, ms", ((2.2, _of("itl_ms", "p50")), (0.8, _of("itl_ms", "p99")))),
    ("output tokens/s", ((2.2, lambda level: level.output_throughput),)),
)


def draw(path: Path, reports: Sequence[Report]) -> None:
    """Write the chart to ``path``. Raises ConfigError for a file that is neither .svg nor .png."""
    sheet = canvas(path, WIDTH, HEIGHT + LEGEND_ROW * len(reports))
    for i, (title, curves) in enumerate(PANELS):
        _panel(sheet, 20 + i * (PANEL + 20), title, curves, reports)
    _legend(sheet, reports)
    sheet.save(path)


def _panel(
    sheet: Canvas, x0: float, title: str, curves: Sequence[tuple[float, Curve]], reports: Sequence[Report]
) -> None:
    left, right = x0 + LEFT, x0 + PANEL
    levels = [level for report in reports for level in report.levels]
    loads = sorted({level.load for level in levels})
    values = [v for level in levels for _, curve in curves if (v := curve(level)) is not None]
    step = nice_step(max(values, default=1.0))
    top = step * math.ceil(max(values, default=1.0) / step) or step

    def at(load: float, value: float) -> Point:
        return left + _across(load, loads) * (right - left), BOTTOM - value / top * (BOTTOM - TOP)

    sheet.text((left, TOP - 16), title, 14)
    for i in range(round(top / step) + 1):
        y = at(loads[0], i * step)[1]
        sheet.line([(left, y), (right, y)], PALE, 0.8)
        sheet.text((left - 6, y + 4), f"{i * step:g}", 11, "end", GREY)
    for load in loads:
        sheet.text((at(load, 0)[0], BOTTOM + 18), f"{load:g}", 11, "middle", GREY)
    by_rate = any(level.rate for level in levels)
    sheet.text(((left + right) / 2, BOTTOM + 38), "requests/s sent" if by_rate else "clients", 12, "middle", GREY)
    for report, colour in zip(reports, _colours(reports), strict=True):
        for width, curve in curves:
            points = [at(s.load, v) for s in sorted(report.levels, key=lambda s: s.load) if (v := curve(s)) is not None]
            if len(points) > 1:
                sheet.line(points, colour, width)
            for point in points:
                sheet.dot(point, colour, width + 0.8)


def _across(load: float, loads: Sequence[float]) -> float:
    """Place a load at 0 to 1 on a logarithmic axis, because loads are usually doubled."""
    if len(loads) < 2:
        return 0.5
    return 0.03 + 0.94 * math.log(load / loads[0]) / math.log(loads[-1] / loads[0])


def nice_step(most: float) -> float:
    """Return 1, 2 or 5 times a power of ten, so that ``TICKS`` steps or somewhat fewer reach ``most``."""
    rough = (most or 1.0) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return power * next((m for m in (1, 2, 5) if m * power >= rough * 0.999), 10)


def _colours(reports: Sequence[Report]) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(len(reports))]


def _legend(sheet: Canvas, reports: Sequence[Report]) -> None:
    y = BOTTOM + 66
    first = reports[0]
    lengths = f"{first.input_len} tokens in, {first.output_len} out"
    if first.shared_prefix_len:
        lengths = f"{first.shared_prefix_len} shared tokens + {lengths}"
    sheet.text((20 + LEFT, y), f"{lengths}. Bold: p50, thin: p99.", 12, "start", GREY)
    for i, (report, colour) in enumerate(zip(reports, _colours(reports), strict=True)):
        row = y + LEGEND_ROW * (i + 1) + 4
        sheet.line([(20 + LEFT, row - 4), (20 + LEFT + 24, row - 4)], colour, 2.2)
        sheet.text((20 + LEFT + 32, row), f"{report.name}, {report.date[:10]}", 12)
