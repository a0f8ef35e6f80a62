"""``frameworkctl doctor``: what is there is named with its version, what is broken is a line and status 1."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.cli import main
from frameworkctl.cli.commands.doctor import command as doctor
from support.plugged.fake_dists import FakeDists
from support.serving.programs import frameworkctl, python

FACTS: dict[str, Any] = {
    "torch": "2.0",
    "threads": 2,
    "cpu_capability": "AVX2",
    "onednn": True,
    "cuda_build": None,
    "hip_build": None,
    "gpus": [],
    "cuda_problem": None,
    "available_memory": 10**9,
    "device": "cpu",
    "backend": "reference",
    "priority": 0,
    "others": {},
    "unavailable": {},
    "fast_types": ["bfloat16"],
}
Report = Callable[..., tuple[int, dict[str, list[dict[str, str]]]]]


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Report:
    """Status and findings by name, with ``changes`` to what the process with torch is supposed to have found."""

    def run(*args: str, **changes: Any) -> tuple[int, dict[str, list[dict[str, str]]]]:
        monkeypatch.setattr(doctor, "torch_facts", lambda words: ({**FACTS, **changes}, None))
        capfd.readouterr()
        status = main(["doctor", "--json", *args])
        data = json.loads(capfd.readouterr().out)
        assert data["ok"] == (status == 0) == all(f["state"] != "broken" for f in data["findings"])
        by_name: dict[str, list[dict[str, str]]] = {}
        for finding in data["findings"]:
            by_name.setdefault(finding["name"], []).append(finding)
        return status, by_name

    return run


def program(path: Path, says: str) -> None:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


def test_a_machine_that_works(tmp_path: Path) -> None:
    """This one: the tests run on it. What lies in the folder it is called in does not matter."""
    (tmp_path / "torch.py").write_text("1 / 0")
    done = frameworkctl("doctor", cwd=tmp_path)
    assert (done.status, done.left) == (0, [])
    lines = {line.split()[1]: line for line in done.out.splitlines()}
    assert lines["torch"].startswith("ok ")
    assert version("torch") in lines["torch"]
    assert f"transformers {version('transformers')}, tokenizers {version('tokenizers')}" in lines["packages"]
    assert any("ok     backend " in line and " on c" in line for line in done.out.splitlines())  # cpu, cuda:0
    assert {"cpu", "compiler", "memory", "triton", "downloads", "plugins", "charts", "tokenizers"} <= set(lines)
    assert not {"audio", "vision", "ray"} & set(lines)  # nothing uses them yet


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "raise ImportError('libtorch_cpu.so: cannot open shared object file')",
            "cannot be imported: ImportError: libtorch_cpu.so: cannot open shared object file",
        ),
        ("import os; os.kill(os.getpid(), 11)", "importing torch ends the process with signal 11"),
    ],
    ids=["import-error", "crash"],
)
def test_a_broken_torch_is_a_line(code: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(code)
    done = frameworkctl("doctor", paths=[tmp_path])
    assert done.status == 1
    [line] = [line for line in done.out.splitlines() if line.split()[1] == "torch"]
    assert line.split(maxsplit=2) == ["BROKEN", "torch", told]
    assert "Traceback" not in done.out + done.err
    assert any(line.split()[1] == "plugins" for line in done.out.splitlines())  # the rest is still looked at


def test_it_loads_no_torch_itself() -> None:
    code = """
    import sys
    from frameworkctl.cli import main
    from frameworkctl.cli.commands.doctor import command as doctor
    doctor.torch_facts = lambda words: ({}, "not looked for")
    assert main(["doctor"]) == 1
    print("LOADED", *(m for m in ("torch", "transformers", "litestar") if m in sys.modules))
    """
    assert python(code).stdout.splitlines()[-1] == "LOADED"


class TestPackages:
    def test_too_old(self, report: Report, dists: FakeDists) -> None:
        dists.add("tokenizers", {}, {}, version="0.1")
        status, found = report()
        assert (status, found["packages"][0]["state"]) == (1, "broken")
        assert found["packages"][0]["text"].startswith("tokenizers 0.1 is not ")

    def test_an_extra(self, report: Report, dists: FakeDists) -> None:
        dists.add("pillow", {}, {}, version="0.1")
        status, found = report()
        assert (status, found["charts"][0]["state"]) == (0, "note")
        assert found["charts"][0]["text"].startswith("pillow 0.1 is not ")
        assert found["charts"][0]["text"].endswith(": pip install 'frameworkctl[charts]'")
        dists.add("pillow", {}, {}, version="12.0")
        assert report()[1]["charts"][0] == {"name": "charts", "state": "ok", "text": "pillow 12.0"}
        assert not {"test", "dev"} & set(found)


class TestPlugins:
    def test_one_that_was_asked_for_fails(self, report: Report, dists: FakeDists) -> None:
        dists.add("acme", {"plugins": {"bad": "acme.bad"}}, {"acme.bad": "1 / 0"})
        status, found = report("--plugins", "bad")
        assert (status, found["plugins"][0]["state"]) == (1, "broken")
        assert "ZeroDivisionError" in found["plugins"][0]["text"]

    def test_one_that_nobody_asked_for_fails(self, report: Report, dists: FakeDists) -> None:
        dists.add("acme", {"models": {"Bad": "acme.bad"}}, {"acme.bad": "1 / 0"})
        status, found = report()
        assert status == 0
        [note] = [f for f in found["plugins"] if f["state"] == "note"]
        assert note["text"] == "Bad of acme 1.0 (acme.bad) is left out: ZeroDivisionError: division by zero"

    def test_a_list_that_means_nothing(self, report: Report) -> None:
        status, found = report("--plugins", "chatt")
        assert (status, found["plugins"][0]["state"]) == (1, "broken")
        assert "did you mean 'chat'?" in found["plugins"][0]["text"]


class TestMachine:
    def test_the_compiler(self, report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CXX", "no-such-compiler")
        status, found = report()
        assert (status, found["compiler"][0]["state"]) == (0, "note")
        program(tmp_path / "cxx", "My C++ 1.2")
        monkeypatch.setenv("CXX", str(tmp_path / "cxx"))
        assert report()[1]["compiler"][0]["text"] == f"{tmp_path / 'cxx'}: My C++ 1.2"

    def test_gpus(self, report: Report) -> None:
        gpu = {"name": "H100", "capability": "9.0", "memory": 80 * 10**9}
        changes = {
            "cuda_build": "12.8",
            "gpus": [gpu],
            "device": "cuda:0",
            "backend": "fast",
            "priority": 5,
            "others": {"reference": 0, "slow": None},
        }
        status, found = report(**changes)
        assert status == 0
        assert found["gpu"][0]["text"] == "H100, 80 GB, compute capability 9.0"
        assert "built CUDA 12.8" in found["torch"][0]["text"]
        assert found["backend"][0]["text"] == (
            "fast on cuda:0 (priority 5; reference has priority 0; slow is not for this device); fast: bfloat16"
        )

    def test_a_gpu_that_torch_cannot_use(self, report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program(tmp_path / "nvidia-smi", "580.1, H100, 81559 MiB")
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        status, found = report()
        assert (status, found["driver"][0]["text"]) == (0, "580.1, H100, 81559 MiB")
        assert (found["gpu"][0]["state"], "built for CPUs" in found["gpu"][0]["text"]) == ("note", True)
        status, found = report(cuda_build="12.8", cuda_problem="driver too old")
        assert found["gpu"][0]["text"].endswith("sees no GPU: driver too old")

    def test_a_backend_that_cannot_run(self, report: Report) -> None:
        status, found = report(unavailable={"cpu": "there is no C++ compiler"})
        assert (status, found["backend"][1]["state"]) == (0, "note")
        assert found["backend"][1]["text"] == "cpu cannot run here, reference is slower: there is no C++ compiler"

    def test_no_backend(self, report: Report) -> None:
        status, found = report(backend_problem="CompileError: no")
        assert (status, found["backend"]) == (1, [{"name": "backend", "state": "broken", "text": "CompileError: no"}])

    def test_downloads(self, report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "not" / "yet"))
        text = report()[1]["downloads"][0]["text"]
        assert text.startswith(f"{tmp_path / 'not' / 'yet'}, ")
        assert "GB free" in text
