"""Compiles the C++ sources for this processor once, and keeps the result in the user's cache folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from frameworkctl_kernels.protocol import BackendUnavailable

from .intact import intact, note, noted

log = logging.getLogger("frameworkctl.kernels")

SOURCE = Path(__file__).parents[1] / "source"
FLAGS = (
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-semantic-interposition",
    "-pthread",
    "-w",
)
COMPILERS = ("g++", "clang++", "c++")
NEEDED = frozenset({"avx2", "fma", "f16c"})
NEEDED_ONLY = tuple(f"-m{flag}" for flag in sorted(NEEDED))
MORE = frozenset({"avx512f", "avx_vnni"})  # what the sources have other forms for
TIMEOUT = 300.0  # seconds for one file
LIBRARY = "kernels.so"
SELFTEST = ("-P", "-m", "frameworkctl_kernels.cpu.compile.selftest")  # what Python runs, with the library's path


def place() -> Path:
    """Return where the compiled kernels for this machine are, or will be.

    ``CXX`` names a compiler other than the first of g++, clang++ and c++; ``FRAMEWORKCTL_CPU_ARCH`` a processor other
    than this one, as ``-march`` takes it (x86-64-v3: AVX2 only).

    Raises:
        BackendUnavailable: not an x86 processor with AVX2, or no compiler.
    """
    flags = processor_flags()
    if platform.machine() not in ("x86_64", "AMD64") or not flags >= NEEDED:
        raise BackendUnavailable("the compiled CPU kernels need an x86 processor with AVX2, FMA and F16C")
    return cache_dir() / "kernels" / _key(_sources(), find_compiler(), flags) / LIBRARY


def library(*, wait: bool = True) -> Path:
    """Return the compiled and tested kernels for this machine, made now if they are not in the cache or damaged there.

    Where another process is making them, its work is waited for; or, without ``wait``, left to it.

    Raises:
        BackendUnavailable: not an x86 processor with AVX2, no compiler, or what it makes is wrong.
    """
    made = place()
    if intact(made):
        return made
    folder, key = made.parents[1], made.parent.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{key}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                return made
            if not intact(made) and not _vouched(made):  # whoever comes second finds it made
                _remove(made.parent)
                _make_best([s for s in _sources() if s.suffix == ".cpp"], find_compiler(), folder, key)
    except OSError as e:
        raise BackendUnavailable(
            f"cannot write to {folder}: {e.strerror}; set FRAMEWORKCTL_CACHE to another folder"
        ) from e
    return made


def _vouched(made: Path) -> bool:
    """Test a library of an older version, which left no note, in a process of its own; note it if it is right."""
    if noted(made) or not made.is_file():
        return False
    try:
        _run([sys.executable, *SELFTEST, str(made)], "their test")
    except BackendUnavailable as e:
        log.warning("%s", e)
        return False
    note(made)
    return True


def _remove(damaged: Path) -> None:
    """Take away what is left of a library, so that a whole one can take its place."""
    if damaged.exists():
        log.warning("the CPU kernels in %s are damaged; they are compiled anew", damaged)
        shutil.rmtree(damaged)


def cache_dir() -> Path:
    """Return ``$FRAMEWORKCTL_CACHE``, else ``frameworkctl`` in the user's cache folder."""
    if own := os.environ.get("FRAMEWORKCTL_CACHE"):
        return Path(own).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "frameworkctl"


def processor_flags() -> frozenset[str]:
    """Return what /proc/cpuinfo says the first processor can do; nothing where there is no such file."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            for line in f:
                name, _, value = line.partition(":")
                if name.strip() == "flags":
                    return frozenset(value.split())
    except OSError:
        pass
    return frozenset()


def find_compiler() -> list[str]:
    """Return the command that compiles C++, with the words that ``CXX`` gives. Raises BackendUnavailable."""
    given = shlex.split(os.environ.get("CXX", ""))
    if given:
        if shutil.which(given[0]) is None:
            raise BackendUnavailable(f"there is no compiler {given[0]!r}, which the environment variable CXX names")
        return given
    for name in COMPILERS:
        if found := shutil.which(name):
            return [found]
    raise BackendUnavailable("there is no C++ compiler (g++ or clang++) to compile the CPU kernels with")


def _sources() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*") if path.is_file())


def _processor() -> str:
    """Return who made the first processor, and its model: those of one model can do the same."""
    wanted = ("vendor_id", "cpu family", "model")
    found: dict[str, str] = {}
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            name, _, value = line.partition(":")
            if not value:
                break
            found[name.strip()] = value.strip()
    return " ".join(found.get(name, "") for name in wanted)


def _key(sources: list[Path], compiler: list[str], flags: frozenset[str]) -> str:
    """Return a digest of everything that decides the compiled result."""
    whole = hashlib.sha256()
    for file in sources:
        whole.update(f"\0{file.name}\0".encode() + file.read_bytes())
    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=False).stdout
    package = metadata.version("frameworkctl")
    arch = os.environ.get("FRAMEWORKCTL_CPU_ARCH", "")
    whole.update("\0".join([*compiler, version, arch, _processor(), *sorted(flags), *FLAGS, package]).encode())
    return whole.hexdigest()[:32]


def _make_best(sources: list[Path], compiler: list[str], folder: Path, key: str) -> None:
    """Compile for this processor, or for any with AVX2 if that fails or is wrong, as with an old assembler."""
    named = os.environ.get("FRAMEWORKCTL_CPU_ARCH")
    try:
        _make(sources, compiler, (f"-march={named or 'native'}",), folder, key)
    except BackendUnavailable as e:
        if named or not processor_flags() & MORE:
            raise
        log.warning("%s; they are compiled for AVX2 instead", e)
        _make(sources, compiler, NEEDED_ONLY, folder, key)


def _make(sources: list[Path], compiler: list[str], arch: Sequence[str], folder: Path, key: str) -> None:
    """Compile, link, test, and put the result in place in one move."""
    started = time.monotonic()
    log.info("compiling the CPU kernels with %s, once for this machine", compiler[0])
    with tempfile.TemporaryDirectory(prefix="making-", dir=folder) as place:
        work = Path(place)
        options = [*FLAGS, *arch, f"-I{SOURCE}"]

        def compile_one(source: Path) -> Path:
            target = work / f"{source.stem}.o"
            _run([*compiler, *options, "-c", str(source), "-o", str(target)], f"compiling {source.name}")
            return target

        # the largest first: it decides how long all of them take
        by_size = sorted(sources, key=lambda s: -s.stat().st_size)
        with ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)))) as pool:
            objects = list(pool.map(compile_one, by_size))
        made = work / "made"
        made.mkdir()
        library = str(made / LIBRARY)
        _run([*compiler, "-shared", "-pthread", *map(str, objects), "-o", library], "linking")
        _run([sys.executable, *SELFTEST, library], "their test")
        note(Path(library))
        made.rename(folder / key)
    log.info("compiled the CPU kernels in %.1f s", time.monotonic() - started)


def _run(command: list[str], what: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise BackendUnavailable(f"the CPU kernels: {what} took more than {TIMEOUT:.0f} s") from None
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in said if "error" in line.lower()] or said[-1:]
        status = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
        reason = errors[0] if errors else f"it ended with {status}"
        raise BackendUnavailable(f"the CPU kernels: {what} failed: {reason}")
