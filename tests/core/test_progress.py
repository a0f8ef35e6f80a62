"""How far something is: a bar at a terminal, lines elsewhere; and downloads that say so."""

from __future__ import annotations

import io
import logging
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from frameworkctl import logs
from frameworkctl.checkpoints import hub_progress
from frameworkctl.logs import Progress
from frameworkctl.server.banner import count

log = logging.getLogger("frameworkctl.test")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def line(self) -> str:
        """What stands in the last line now."""
        return self.getvalue().rpartition("\n")[2].rpartition("\r\x1b[K")[2]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    made = Screen()
    monkeypatch.setattr(logs, "sys", SimpleNamespace(stderr=made))  # sys.stderr itself is pytest's
    monkeypatch.setenv("COLUMNS", "80")
    log.setLevel("INFO")
    return made


def test_a_bar_grows_and_goes(screen: Screen) -> None:
    progress = Progress(log, "loading a")
    progress.update(0, 2_000_000_000)
    assert screen.line == f"loading a [{'-' * 30}] 0% of 2.00 GB"
    progress.update(1_000_000_000, 2_000_000_000)
    assert screen.line == f"loading a [{'#' * 15}{'-' * 15}] 50% of 2.00 GB"
    progress.update(3_000_000_000, 2_000_000_000)
    assert screen.line == f"loading a [{'#' * 30}] 100% of 2.00 GB"
    progress.close()
    assert screen.line == ""


def test_a_bar_fits_in_its_line(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    Progress(log, "loading a model").update(1, 2)
    assert screen.line == "loading a model [##"


def test_log_lines_take_the_place_of_a_bar(screen: Screen) -> None:
    handler = logging.StreamHandler(screen)
    handler.setFormatter(logs.LineFormatter(prefix=logs._CLEAR))
    Progress(log, "loading a").update(1, 2)
    handler.handle(log.makeRecord("n", logging.INFO, __file__, 1, "hello", (), None))
    assert screen.getvalue().endswith("\r\x1b[Khello\n")


def test_no_bar_where_nothing_is_logged(screen: Screen) -> None:
    log.setLevel("WARNING")
    progress = Progress(log, "loading a")
    progress.update(1, 2)
    progress.close()
    assert screen.getvalue() == ""


def test_lines_come_now_and_then(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with caplog.at_level("INFO", log.name):
        progress = Progress(log, "loading a")
        for _ in range(60):
            now += 0.5
            progress.update(int(now * 1e7), 4_000_000_000)
        progress.close()
    assert caplog.messages == ["loading a: 28% of 4.00 GB", "loading a: 30% of 4.00 GB", "loading a: 32% of 4.00 GB"]


def test_a_download_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there before does not count; the Hub client's bars are silent meanwhile and back afterwards."""
    from huggingface_hub import utils

    monkeypatch.setattr(hub_progress, "INTERVAL", 0.01)
    monkeypatch.setattr(logs, "LINE_INTERVAL", 0.0)
    blobs = tmp_path / "models--org--name" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "old").write_bytes(bytes(9_000_000))
    silent = utils.are_progress_bars_disabled()
    with caplog.at_level("INFO", "frameworkctl.server"):
        with hub_progress.download_progress("org/name", str(tmp_path)):
            assert utils.are_progress_bars_disabled()
            (blobs / "new.incomplete").write_bytes(bytes(20_000_000))
            while "downloading org/name: 0.02 GB" not in caplog.messages:
                time.sleep(0.01)
        assert caplog.messages[-1] == "downloaded org/name: 0.02 GB"
        caplog.clear()
        with hub_progress.download_progress("org/name", str(tmp_path)):
            pass
        assert caplog.messages == []  # it was there
    assert utils.are_progress_bars_disabled() == silent


@pytest.mark.parametrize(
    ("number", "text"), [(999, "999"), (45_600, "45.6 k"), (5_123_456, "5.12 M"), (20_914_757_184, "20.9 B")]
)
def test_counts(number: int, text: str) -> None:
    assert count(number) == text
