"""Runs summed up, held against numpy's percentiles; tables; charts that parse."""

from __future__ import annotations

import random
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from frameworkctl.bench.load import Level, Run
from frameworkctl.bench.report.chart import draw, nice_step
from frameworkctl.bench.report.table import table
from frameworkctl.bench.results import Report, Summary, spread, summarize
from frameworkctl.bench.serving import Plan
from frameworkctl.bench.serving import report as made
from frameworkctl.bench.stream import Stream, Timing
from frameworkctl.bench.workload import Dialect, Workload
from frameworkctl.errors import ConfigError


def timing(ttft: float, gaps: list[float], tokens: int, cached: int = 0) -> Timing:
    return Timing(ttft, gaps, ttft + sum(gaps), input_tokens=10, output_tokens=tokens, cached_tokens=cached)


def report(*levels: Summary, url: str = "http://one", prefix: int = 0) -> Report:
    return Report(
        date="2026-01-02T03:04:05+00:00",
        version="1",
        url=url,
        model="m",
        endpoint="/v1/completions",
        prompts="token ids",
        input_len=10,
        output_len=3,
        shared_prefix_len=prefix,
        seed=1,
        levels=list(levels),
    )


def level(concurrency: int, rate: float = 0.0) -> Summary:
    runs = [Run([timing(0.1 * concurrency, [0.02, 0.03], 3)] * 4, ["HTTP 500: x"], 2.0, 0.5)]
    return summarize(Level(concurrency, rate), runs)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 101, 1000])
def test_percentiles(count: int) -> None:
    values = [random.Random(count).expovariate(1) for _ in range(count)]
    found = spread(values)
    assert found is not None
    wanted = 1e3 * np.percentile(values, [50, 90, 99])
    assert np.allclose([found.p50, found.p90, found.p99], wanted, atol=1e-3)
    assert found.mean == pytest.approx(1e3 * sum(values) / count, abs=1e-3)


def test_nothing_has_no_percentiles() -> None:
    assert spread([]) is None


def test_a_level_over_its_repetitions() -> None:
    fast = Run([timing(1.0, [0.5], 2), timing(1.0, [0.5], 2, cached=6)], [], seconds=2.0, client_seconds=0.1)
    slow = Run([timing(3.0, [1.5], 2)], ["HTTP 500: x", "HTTP 500: x", "cut"], seconds=4.0, client_seconds=0.4)
    middle = Run([timing(2.0, [1.0], 2)], ["cut"], seconds=2.0, client_seconds=0.1)
    found = summarize(Level(concurrency=2), [fast, slow, middle])
    assert (found.completed, found.failed, found.errors) == (4, 4, {"HTTP 500: x": 2, "cut": 2})
    assert found.output_throughputs == [2.0, 0.5, 1.0]
    assert (found.output_throughput, found.request_throughput) == (1.0, 0.5)
    assert found.total_token_throughput == 6.0
    assert (found.input_tokens, found.output_tokens, found.cached_tokens) == (40, 8, 6)
    assert found.client_shares == [0.05, 0.1, 0.05]
    assert found.ttft_ms is not None
    assert found.ttft_ms.p50 == 1500.0
    assert found.itl_ms is not None
    assert found.itl_ms.p50 == 750.0
    assert found.tpot_ms is not None
    assert found.tpot_ms.p99 == pytest.approx(1485.0)


def arrived(*pieces: tuple[float, int]) -> Timing:
    """An answer that was asked for at 0, of pieces that came at a time, with so many tokens each."""
    stream = Stream()
    for when, _ in pieces:
        stream.feed(b'data: {"choices": [{"text": "x"}]}\n\n', when)
    last, tokens = pieces[-1][0], sum(n for _, n in pieces)
    end = b'data: {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": %d}}\n\ndata: [DONE]\n\n'
    stream.feed(end % tokens, last)
    return stream.timing(0.0, last)


def test_tokens_that_come_together_are_told_apart_from_slow_ones() -> None:
    """The same 9 tokens in 5 seconds: one by one, in pieces of 4, and pieces that arrive at once."""
    one_by_one = [arrived(*((1 + i / 2, 1) for i in range(9)))]
    in_pieces = [arrived((1.0, 1), (3.0, 4), (5.0, 4))]
    at_once = [arrived((1.0, 1), *[(3.0, 1)] * 4, *[(5.0, 1)] * 4)]
    found = [summarize(Level(concurrency=1), [Run(t, [], 5.0, 0.0)]) for t in (one_by_one, in_pieces, at_once)]
    assert [level.itl_ms and level.itl_ms.p50 for level in found] == [500.0, 2000.0, 0.0]
    assert [level.tpot_ms and level.tpot_ms.p50 for level in found] == [500.0] * 3
    assert [level.output_throughput for level in found] == [1.8] * 3
    assert [level.pieces for level in found] == [9, 3, 9]
    plan = Plan(url="", levels=(), load=Workload(input_len=10, output_len=9, seed=1))
    dialect = Dialect(model="m", path="", fields={}, ids=None)
    plain, several, _ = (made(plan, dialect, "", [level]).notes for level in found)
    assert plain == []
    assert several == [
        "1 clients: a piece of an answer had 3.0 tokens on average, so the ITL is that of so many; the time per token"
        " was 500.0 ms (p50)"
    ]


def test_everything_failed() -> None:
    found = summarize(Level(rate=2.0), [Run([], ["no"], 1.0, 0.0)])
    assert (found.completed, found.failed, found.ttft_ms, found.load) == (0, 1, None, 2.0)
    shown = table(report(found))
    assert "failed 1 times at 2: no" in shown


def test_the_table_has_a_row_for_each_level() -> None:
    lines = table(report(level(1), level(16), prefix=5)).splitlines()
    assert lines[0] == "m at http://one, /v1/completions, token ids: 5 shared + 10 tokens in, 3 out"
    titles = lines[3].split("  ")
    assert [t.strip() for t in titles if t][:3] == ["clients", "ok", "failed"]
    rows = [line.split() for line in lines[4:6]]
    assert [row[:3] for row in rows] == [["1", "4", "1"], ["16", "4", "1"]]
    assert rows[1][6] == "1600.0"  # TTFT p50
    assert len({len(line) for line in lines[3:6]}) == 1


SVG = "{http://www.w3.org/2000/svg}"


def test_a_chart_of_several_reports(tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"
    draw(path, [report(level(1), level(8), level(32)), report(level(8), url="http://two?a<b&c")])
    root = ElementTree.parse(path).getroot()
    words = [e.text for e in root.iter(f"{SVG}text")]
    for title in ("time to first token, ms", "between tokens, ms", "output tokens/s"):
        assert title in words
    assert words.count("32") == 3  # on each axis
    assert "m at http://one, 2026-01-02" in words
    assert "m at http://two?a<b&c, 2026-01-02" in words
    # p50 and p99 of two panels and one of the third, at three loads and at one
    assert len(list(root.iter(f"{SVG}circle"))) == 5 * 3 + 5
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for line in root.iter(f"{SVG}polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height


def test_more_is_drawn_higher(tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"
    draw(path, [report(level(1), level(2), level(4))])
    dots = list(ElementTree.parse(path).getroot().iter(f"{SVG}circle"))
    heights = [float(dot.attrib["cy"]) for dot in dots[:3]]  # TTFT doubles each time
    assert heights == sorted(heights, reverse=True)
    assert heights[0] - heights[1] == pytest.approx((heights[1] - heights[2]) / 2, abs=0.2)


def test_a_chart_of_one_level_and_of_failures(tmp_path: Path) -> None:
    for one in (level(0, rate=2.5), summarize(Level(concurrency=1), [Run([], ["no"], 1.0, 0.0)])):
        draw(tmp_path / "chart.svg", [report(one)])
        ElementTree.parse(tmp_path / "chart.svg")


def test_a_chart_as_png(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "chart.png"
    draw(path, [report(level(1), level(8))])
    with image.open(path) as drawn:
        assert drawn.format == "PNG"
        colours = {colour for _, colour in drawn.convert("RGB").getcolors(1 << 24)}
    assert {(255, 255, 255), (0, 0x72, 0xB2)} <= colours


def test_a_chart_in_another_form(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must end in \.svg or \.png"):
        draw(tmp_path / "chart.pdf", [report(level(1))])


@pytest.mark.parametrize(("most", "step"), [(1, 0.2), (5, 1), (7, 2), (99, 20), (730, 200), (0.03, 0.01), (0, 0.2)])
def test_steps_of_an_axis(most: float, step: float) -> None:
    assert nice_step(most) == pytest.approx(step)
