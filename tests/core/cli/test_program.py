"""The ``frameworkctl`` program: help, version, the plugin report, unknown commands, exit statuses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from frameworkctl import __version__
from frameworkctl.cli import main
from frameworkctl.plugins import PluginRecord
from support.plugged.fake_dists import FakeDists, endpoint, policy, source
from support.serving.programs import FRAMEWORKCTL, Run, environment, frameworkctl

Program = Callable[..., Run]


@pytest.fixture
def program(dists: FakeDists, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program's ``main`` in this process: quicker than a process each."""

    def run(*args: str, plugins: str | None = None) -> Run:
        monkeypatch.delenv("FRAMEWORKCTL_PLUGINS", raising=False)
        if plugins is not None:
            monkeypatch.setenv("FRAMEWORKCTL_PLUGINS", plugins)
        capfd.readouterr()
        status = main(args)
        return Run(status, *capfd.readouterr(), [])

    return run


def rows(done: Run, status: int = 0) -> list[dict[str, Any]]:
    """Of ``plugins --json``."""
    assert done.status == status, done.err
    found: list[dict[str, Any]] = json.loads(done.out)
    return found


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["help"], []])
def test_help_lists_the_commands(args: list[str], program: Program) -> None:
    done = program(*args)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("usage: frameworkctl COMMAND")
    commands = [line.split()[0] for line in done.out.partition("commands:\n")[2].partition("\n\n")[0].splitlines()]
    assert {"serve", "plugins"} <= set(commands)


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version(flag: str, program: Program) -> None:
    done = program(flag)
    assert (done.status, done.out, done.err) == (0, f"frameworkctl {__version__}\n", "")


def test_as_a_module() -> None:
    command = [sys.executable, "-m", "frameworkctl", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=True)
    assert done.stdout == f"frameworkctl {__version__}\n"


def test_mistakes_are_status_2_of_the_process() -> None:
    done = frameworkctl("serv")
    assert (done.status, done.out) == (2, "")
    assert done.err == "frameworkctl: unknown command 'serv'; did you mean 'serve'? (see frameworkctl --help)\n"


@pytest.mark.parametrize(("word", "hint"), [("plugin", "; did you mean 'plugins'?"), ("zzz", ""), ("--versoin", "")])
def test_an_unknown_command(word: str, hint: str, program: Program) -> None:
    done = program(word)
    assert (done.status, done.out) == (2, "")
    assert done.err == f"frameworkctl: unknown command {word!r}{hint} (see frameworkctl --help)\n"


def test_a_command_of_a_plugin(dists: FakeDists, program: Program) -> None:
    text = source(
        """
        def run(argv):
            print("hello", *argv)
            return len(argv)

        @hookimpl
        def register_commands(register):
            register(CommandSpec(name="greet", help="say hello", run=run))
        """
    )
    dists.add("acme", {"plugins": {"acme": "acme.greet"}}, {"acme.greet": text})
    done = program("greet", "a", "--b", "c", plugins="acme")
    assert (done.status, done.out) == (3, "hello a --b c\n")
    helped = program("--help", plugins="acme").out
    assert ["greet", "say", "hello"] in [line.split() for line in helped.splitlines()]
    assert program("greet").status == 2


class TestReport:
    """``frameworkctl plugins``."""

    def add(self, dists: FakeDists) -> None:
        dists.add(
            "acme",
            {"endpoints": {"ring": "acme.ring"}, "plugins": {"fcfs2": "acme.fcfs", "sound": "acme.sound[audio]"}},
            {"acme.ring": endpoint("ring"), "acme.fcfs": policy("fcfs", override=True), "acme.sound": "1 / 0"},
            version="1.2",
            requires=['nowhere-to-be-found; extra == "audio"'],
            extras=["audio"],
        )

    def test_json_has_every_field_of_every_record(self, dists: FakeDists, program: Program) -> None:
        self.add(dists)
        found = rows(program("plugins", "--json", "--plugins", "ring,fcfs2"))
        assert {tuple(row) for row in found} == {PluginRecord.__struct_fields__}
        assert msgspec.convert(found, list[PluginRecord])
        by_value = {row["value"]: row for row in found}
        ring, fcfs, sound = (by_value[f"acme.{m}"] for m in ("ring", "fcfs", "sound"))
        assert (ring["group"], ring["names"], ring["distribution"]) == ("frameworkctl.endpoints", ["ring"], "acme")
        assert (ring["version"], ring["state"], ring["builtin"], ring["named"]) == ("1.2", "loaded", False, True)
        assert ring["file"] == str(dists.root / "acme" / "ring.py")
        assert ring["hooks"] == ["register_endpoints"]
        assert ring["registered"] == ["endpoint ring"]
        assert ring["load_ms"] > 0
        assert fcfs["overrides"] == [f"policy fcfs of frameworkctl {__version__} (frameworkctl.scheduling.policies)"]
        assert (sound["state"], sound["error"]) == ("unavailable", "pip install 'acme[audio]'")
        ours = by_value["frameworkctl_endpoints.service"]
        assert (ours["builtin"], ours["state"], ours["registered"]) == (True, "loaded", ["endpoint service"])

    def test_what_is_installed_but_off(self, dists: FakeDists, program: Program) -> None:
        self.add(dists)
        states = {row["value"]: row["state"] for row in rows(program("plugins", "--json"))}
        assert (states["acme.ring"], states["acme.fcfs"]) == ("off", "off")
        assert states["frameworkctl_models.decoder.plugin"] == "loaded"

    def test_the_table_says_the_same(self, dists: FakeDists, program: Program) -> None:
        self.add(dists)
        out = program("plugins", "--plugins", "ring,fcfs2").out
        lines = out.splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("loaded      endpoints    ring  [acme 1.2]"))
        assert lines[at + 1].split() == ["hooks:", "register_endpoints"]
        assert lines[at + 2].split() == ["registered:", "endpoint", "ring"]
        assert lines[at + 3].split() == ["file:", str(dists.root / "acme" / "ring.py")]
        assert f"replaces: policy fcfs of frameworkctl {__version__}" in out
        assert "error: pip install 'acme[audio]'" in out

    def test_a_file(self, tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "mine.py").write_text(policy("mine"))
        monkeypatch.chdir(tmp_path)
        [row] = [
            r for r in rows(program("plugins", "--json", "--plugins", "./mine.py")) if r["value"].endswith("mine.py")
        ]
        assert (row["distribution"], row["registered"]) == (None, ["policy mine"])
        assert len(row["sha256"]) == 64

    @pytest.mark.parametrize("words", ["all", "bad"])
    def test_a_failure_is_status_1_and_the_rest_is_shown(self, words: str, dists: FakeDists, program: Program) -> None:
        dists.add("acme", {"plugins": {"bad": "acme.bad"}}, {"acme.bad": "1 / 0"})
        found = rows(program("plugins", "--json", "--plugins", words), status=1)
        [bad] = [r for r in found if r["value"] == "acme.bad"]
        assert (bad["state"], bad["error"]) == ("failed", "ZeroDivisionError: division by zero")
        assert any(r["state"] == "loaded" for r in found)

    def test_a_failure_named_in_the_environment_is_shown_as_well(self, dists: FakeDists, program: Program) -> None:
        """The command that tells what is wrong has to work when something is wrong."""
        dists.add("acme", {"plugins": {"bad": "acme.bad"}}, {"acme.bad": "1 / 0"})
        found = rows(program("plugins", "--json", plugins="bad"), status=1)
        errors = [r["error"] for r in found if r["value"] == "acme.bad"]
        assert errors == ["ZeroDivisionError: division by zero"]

    def test_a_list_that_means_nothing_is_status_2(self, program: Program) -> None:
        done = program("plugins", "--plugins", "chatt")
        assert (done.status, done.out) == (2, "")
        assert done.own_lines == [
            "frameworkctl: --plugins: no plugin or distribution called 'chatt' is installed; did you mean 'chat'?"
        ]

    def test_the_list_of_the_config_file_and_of_the_environment(
        self, dists: FakeDists, tmp_path: Path, program: Program
    ) -> None:
        self.add(dists)
        (tmp_path / "c.yaml").write_text("plugins: ring")
        found = rows(program("plugins", "--json", "--config", str(tmp_path / "c.yaml")))
        assert {r["value"]: r["state"] for r in found}["acme.ring"] == "loaded"
        found = rows(program("plugins", "--json", plugins="no:chat"))
        assert {r["value"]: r["state"] for r in found}["frameworkctl_endpoints.chat.plugin"] == "off"

    def test_an_unknown_flag(self) -> None:
        done = frameworkctl("plugins", "--jsn")
        assert (done.status, done.out) == (2, "")
        assert "--jsn" in done.err


def test_a_reader_that_leaves_early_is_no_error() -> None:
    """``frameworkctl plugins | head -1``."""
    command = [FRAMEWORKCTL, "plugins"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read().decode() == ""
    process.wait(60)
