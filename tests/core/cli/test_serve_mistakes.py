"""A mistake of the operator ends ``serve`` with status 2, one line that says what is wrong, and no process left."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.cli import main
from support.plugged.fake_dists import FakeDists, installed
from support.serving.programs import FRAMEWORKCTL, MARK, Run, environment, frameworkctl, marked

GONE = 90.0  # seconds in which what was left behind must have noticed
MISTAKES: dict[str, tuple[list[str], str]] = {
    "unknown flag": (["--prot", "1"], "unknown option '--prot'; did you mean '--port'?"),
    "bad value": (["--max-num-seqs", "0"], "--max-num-seqs: Expected `int` >= 1, got '0'"),
    "bad log level": (["--log-level", "loud"], "--log-level: Invalid enum value 'loud', got 'loud'"),
    "missing folder": (["/no/such/folder"], "there is no model folder '/no/such/folder'"),
    "unknown name": (["nobodys-model"], "'nobodys-model' is neither a folder nor a bundled checkpoint"),
    "busy port": (["{folder}", "--port", "{busy}"], "cannot listen on 127.0.0.1:{busy}: Address already in use"),
    "impossible port": (["{folder}", "--port", "99999"], "99999"),
    "unknown host": (["{folder}", "--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid:0: "),
    "empty folder": (["{empty}"], "config.json"),
    "unknown architecture": (["{folder}"], "no plugin runs the architectures ['NobodysForCausalLM']"),
    "unknown plugin": (["--plugins", "chatt"], "no plugin or distribution called 'chatt' is installed; did you mean"),
    "failing plugin": (["--plugins", "bad"], "plugin 'bad' of acme 1.0 (acme.bad) failed to load: ZeroDivisionError"),
    "missing config": (["--config", "/no/such.yaml"], "--config: cannot read '/no/such.yaml': No such file"),
    "empty plugins": (["--config", "{config}"], "--plugins"),
}
AS_PROGRAMS = ("unknown flag", "bad log level", "missing folder", "busy port")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the command lines speak of: a model that nobody runs, an empty folder, a port that is taken."""
    root = tmp_path_factory.mktemp("mistakes")
    dists = FakeDists(root / "site")
    dists.add("acme", {"plugins": {"bad": "acme.bad"}}, {"acme.bad": "1 / 0"})
    (root / "empty").mkdir()
    (root / "folder").mkdir()
    (root / "folder" / "config.json").write_text(json.dumps({"architectures": ["NobodysForCausalLM"]}))
    (root / "config.yaml").write_text("plugins:\n")
    with socket.create_server(("127.0.0.1", 0)) as busy:
        yield {
            "site": dists.root,
            "folder": root / "folder",
            "empty": root / "empty",
            "busy": busy.getsockname()[1],
            "config": root / "config.yaml",
        }


def command(mistake: str, place: dict[str, Any]) -> tuple[list[str], str]:
    """Arguments of ``serve`` and what it should say; on a free port unless another is the mistake."""
    args, message = MISTAKES[mistake]
    return ["--port", "0", *(a.format(**place) for a in args)], message.format(**place)


class FakeNursery:
    """Stands where the process that loads torch would; knows whether it was closed."""

    alive = 0

    def __init__(self, log_level: str) -> None:
        self.control, self._theirs = socket.socketpair()
        FakeNursery.alive += 1

    def close(self) -> None:
        FakeNursery.alive -= self.control.fileno() >= 0
        self.control.close()
        self._theirs.close()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_status_2_and_one_line(
    mistake: str, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("frameworkctl.cli.commands.serve.NurseryProcess", FakeNursery)
    level = logging.getLogger("frameworkctl").level
    args, message = command(mistake, place)
    try:
        with installed(place["site"], monkeypatch):
            assert main(["serve", *args]) == 2
    finally:
        logging.getLogger("frameworkctl").setLevel(level)
    out, err = capfd.readouterr()
    assert out == ""
    [line] = [line for line in err.splitlines() if " WARNING " not in line]
    assert line.startswith("frameworkctl: ")
    assert message in line
    assert FakeNursery.alive == 0


@pytest.fixture(scope="module")
def runs(place: dict[str, Any]) -> Iterator[dict[str, Future[Run]]]:
    """Several at once: each waits for a process that loads torch."""
    with ThreadPoolExecutor(3) as pool:
        yield {
            name: pool.submit(frameworkctl, "serve", *command(name, place)[0], paths=[place["site"]])
            for name in AS_PROGRAMS
        }


@pytest.mark.parametrize("mistake", AS_PROGRAMS)
def test_the_program_leaves_nothing_behind(mistake: str, place: dict[str, Any], runs: dict[str, Future[Run]]) -> None:
    run = runs[mistake].result()
    assert run.left == []
    assert run.status == 2
    assert run.out == ""
    assert "Traceback" not in run.err, run.err
    [line] = run.own_lines
    assert line.startswith("frameworkctl: ")
    assert command(mistake, place)[1] in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_ended_while_it_starts_nothing_is_left(number: signal.Signals) -> None:
    """Whenever it comes: the process that loads torch must notice that its server is gone."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [FRAMEWORKCTL, "serve", "/no/such/folder"],
        env=environment(env={MARK: mark}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    until(lambda: any("nursery" in line for line in marked(mark)))
    os.kill(process.pid, number)
    process.wait(GONE)
    until(lambda: marked(mark) == [])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GONE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def test_help_starts_no_process(tmp_path: Path) -> None:
    run = frameworkctl("serve", "--help", cwd=tmp_path)
    assert run.status == 0
    assert run.left == []
    assert run.out.startswith("usage: frameworkctl serve")
