"""How the CPU kernels come to be: compiled once, tested, kept; and what happens where they cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from frameworkctl_kernels.cpu.compile import ahead, build
from frameworkctl_kernels.cpu.compile.intact import NOTE, intact
from frameworkctl_kernels.protocol import BackendUnavailable
from support.checkpoints.tiny import make_checkpoint

CAN_COMPILE = build.processor_flags() >= build.NEEDED and any(shutil.which(c) for c in build.COMPILERS)
needs_compiler = pytest.mark.skipif(not CAN_COMPILE, reason="no compiler, or no AVX2")


@pytest.fixture
def few_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build of one small file into an empty cache, with a self-test that says yes."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "one.cpp").write_text('extern "C" int one() { return 1; }\n')
    monkeypatch.setattr(build, "SOURCE", source)
    monkeypatch.setenv("FRAMEWORKCTL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "SELFTEST", ("-c", "import sys, ctypes; sys.exit(ctypes.CDLL(sys.argv[1]).one() != 1)"))
    return source


@needs_compiler
class TestCache:
    def test_made_once(self, few_sources: Path) -> None:
        made = build.library()
        assert made.is_file()
        before = made.stat().st_mtime_ns
        assert build.library() == made
        assert made.stat().st_mtime_ns == before

    def test_a_change_makes_another(self, few_sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = build.library()
        (few_sources / "more.h").write_text("// changed\n")
        second = build.library()
        monkeypatch.setenv("FRAMEWORKCTL_CPU_ARCH", "x86-64-v3")
        assert len({first, second, build.library()}) == 3

    def test_nothing_half_made_is_left(self, few_sources: Path) -> None:
        (few_sources / "two.cpp").write_text("int two( {")
        with pytest.raises(BackendUnavailable, match=r"compiling two\.cpp failed: .*error"):
            build.library()
        assert [p.suffix for p in (build.cache_dir() / "kernels").iterdir()] == [".lock"]

    def test_wrong_results_are_refused(self, few_sources: Path) -> None:
        (few_sources / "one.cpp").write_text('extern "C" int one() { return 2; }\n')
        with pytest.raises(BackendUnavailable, match="their test failed: it ended with status 1"):
            build.library()

    @pytest.mark.parametrize(
        ("wrong", "why"),
        [("#error no such instruction", "compiling one.cpp failed"), ("#define ONE 2", "their test failed")],
        ids=["cannot be compiled", "computes wrongly"],
    )
    def test_where_the_form_with_avx512_fails_there_is_the_one_without(
        self, wrong: str, why: str, few_sources: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        source = f"#ifdef __BMI2__  // for this processor\n{wrong}\n#endif\n#ifndef ONE\n#define ONE 1\n#endif\n"
        (few_sources / "one.cpp").write_text(source + 'extern "C" int one() { return ONE; }\n')
        with monkeypatch.context() as less:
            less.setattr(build, "processor_flags", lambda: build.NEEDED)
            with pytest.raises(BackendUnavailable, match=why):
                build.library()
        monkeypatch.setattr(build, "processor_flags", lambda: build.NEEDED | {"avx512f"})
        assert build.library().is_file()
        assert f"{why}: " in caplog.text
        assert "they are compiled for AVX2 instead" in caplog.text
        monkeypatch.setenv("FRAMEWORKCTL_CPU_ARCH", "native")  # what somebody names is what they get
        with pytest.raises(BackendUnavailable, match=why):
            build.library()

    def test_processors_do_not_share(self, few_sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        places = {build.place()}
        monkeypatch.setattr(build, "processor_flags", lambda: build.NEEDED | {"avx512f"})
        places.add(build.place())
        monkeypatch.setattr(build, "processor_flags", lambda: build.NEEDED | {"avx512f", "avx512_bf16"})
        places.add(build.place())
        monkeypatch.setattr(build, "_processor", lambda: "another model")
        places.add(build.place())
        assert len(places) == 4

    @pytest.mark.parametrize("damage", ["cut", "a bit", "zeros", "empty", "gone", "longer"])
    def test_a_damaged_one_is_never_loaded_and_made_anew(
        self, damage: str, few_sources: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        made = build.library()
        whole = made.read_bytes()
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :]
        made.unlink()
        if damage != "gone":
            contents = {"cut": whole[:middle], "a bit": flipped, "zeros": bytes(len(whole)), "longer": whole + b"\0"}
            made.write_bytes(contents.get(damage, b""))
        assert not ahead.ready()
        assert build.library() == made
        assert made.read_bytes() == whole
        assert ahead.ready()
        assert "are damaged; they are compiled anew" in caplog.text

    @pytest.mark.parametrize("cut", [False, True])
    def test_one_without_a_note_is_tested_first(self, cut: bool, few_sources: Path) -> None:
        """Libraries of older versions have none; one that is damaged ends the process that tries it, not this one."""
        made = build.library()
        whole = made.read_bytes()
        made.with_name(NOTE).unlink()
        if cut:
            made.unlink()
            made.write_bytes(whole[: len(whole) // 2])
        inode = made.stat().st_ino
        assert build.library() == made
        assert made.read_bytes() == whole
        assert intact(made)
        assert (made.stat().st_ino == inode) is not cut

    def test_a_damaged_one_that_cannot_be_made_anew_is_unavailable(
        self, few_sources: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = build.library()
        made.write_bytes(bytes(made.stat().st_size))
        monkeypatch.setattr(build, "SELFTEST", ("-c", "raise SystemExit(1)"))
        with pytest.raises(BackendUnavailable, match="their test failed"):
            build.library()

    def test_a_crash_in_the_test_ends_nothing_else(self, few_sources: Path) -> None:
        (few_sources / "one.cpp").write_text('extern "C" int one() { __builtin_trap(); }\n')
        with pytest.raises(BackendUnavailable, match="their test failed: it ended with signal"):
            build.library()

    def test_two_at_once_compile_once(self, few_sources: Path) -> None:
        program = (
            "import sys; from pathlib import Path; from frameworkctl_kernels.cpu.compile import build\n"
            "build.SOURCE = Path(sys.argv[1]); build.SELFTEST = ('-c', 'pass')\n"
            "build.logging.basicConfig(level='INFO'); build.library()"
        )
        command = [sys.executable, "-c", program, str(few_sources)]
        both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        said = "".join(p.communicate()[1] for p in both)
        assert [p.returncode for p in both] == [0, 0]
        assert said.count("compiled the CPU kernels") == 1

    def test_a_cache_that_cannot_be_written(
        self, few_sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("FRAMEWORKCTL_CACHE", str(tmp_path / "file"))
        with pytest.raises(BackendUnavailable, match="set FRAMEWORKCTL_CACHE"):
            build.library()


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BackendUnavailable, match="no C\\+\\+ compiler"):
        build.find_compiler()
    monkeypatch.setenv("CXX", "no-such-compiler -O1")
    with pytest.raises(BackendUnavailable, match="no compiler 'no-such-compiler'"):
        build.find_compiler()


def test_another_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "processor_flags", lambda: frozenset({"sse2"}))
    with pytest.raises(BackendUnavailable, match="AVX2"):
        build.library()


GENERATE = """
import logging, sys
logging.basicConfig(level="INFO")
from frameworkctl.params import SamplingParams
from frameworkctl.testing import InProcessEngine
engine = InProcessEngine(sys.argv[1])
print(engine.built.backend, engine.generate([[5, 6, 7]], SamplingParams(max_tokens=4, temperature=0.0)))
"""


def test_without_a_compiler_everything_still_runs(tmp_path: Path) -> None:
    folder = make_checkpoint("llama", tmp_path)
    env = {**os.environ, "CXX": "no-such-compiler", "FRAMEWORKCTL_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", GENERATE, str(folder)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("reference [[")
    assert done.stderr.count("the backend reference takes the place of cpu: there is no compiler") == 1


@needs_compiler
@pytest.mark.slow
def test_the_form_for_less_than_this_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEWORKCTL_CPU_ARCH", "x86-64-v3")
    monkeypatch.setenv("FRAMEWORKCTL_CACHE", str(tmp_path))
    assert build.library().is_file()
