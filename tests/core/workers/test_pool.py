"""Workers: what comes back, what their limits stop, and that another one takes the place of one that is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from frameworkctl.errors import RequestError
from frameworkctl.workers.pool import NotStarted, OutOfMemory, OutOfTime, WorkerDied, WorkerPool

JOBS = '''
import os, socket, sys, threading, time
from frameworkctl.errors import RequestError

kept = []
def remember(x): kept.append(x)
def remembered(x): return kept
def twice(x): return [x, x]
def pid(x): return os.getpid()
def sleep(x): time.sleep(x)
def spin(x):
    while True: pass
def eat(x): return len(["x" * (10**6 + n) for n in range(10**6)])
def large(x): return "x" * x
def die(x): os._exit(x)
def refuse(x): raise RequestError("no", param="a.b", code="odd", status=422)
def fail(x): return 1 // 0
def modules(x): return sorted(sys.modules)
def environment(x): return sorted(os.environ)
def write(x):
    with open(x, "w") as file:
        file.write("x")
def babble(x):
    """Other than a worker would answer."""
    for fd in range(3, 64):
        try:
            socket.socket(fileno=os.dup(fd)).sendall(bytes.fromhex(x))
        except OSError:
            pass
    time.sleep(60)
'''


@pytest.fixture(autouse=True)
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs_of_a_test.py").write_text(JOBS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("HF_TOKEN", "secret")


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    made = WorkerPool(most=2, memory=256 << 20, modules=("jobs_of_a_test",), max_reply=1 << 20)
    before = set(children())
    yield made
    made.close()
    assert set(children()) <= before, "a worker is left"


def children() -> list[int]:
    return [child.pid for child in psutil.Process().children()]


def call(pool: WorkerPool, name: str, argument: Any = None, seconds: float = 60.0) -> Any:
    return pool.call(f"jobs_of_a_test:{name}", argument, seconds=seconds)


def test_nothing_runs_before_there_is_work_and_then_one_serves_again(pool: WorkerPool) -> None:
    before = children()
    assert call(pool, "twice", {"a": [1, "ü", None, 2.5]}) == [{"a": [1, "ü", None, 2.5]}] * 2
    (pid,) = pool.idle
    assert {call(pool, "pid") for _ in range(3)} == {pid}
    assert set(children()) == {*before, pid}


def test_errors_of_the_function_come_back_and_the_worker_stays(pool: WorkerPool) -> None:
    with pytest.raises(RequestError, match="no") as error:
        call(pool, "refuse")
    assert (error.value.param, error.value.code, error.value.status) == ("a.b", "odd", 422)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        call(pool, "fail")
    (pid,) = pool.idle
    assert call(pool, "pid") == pid


@pytest.mark.parametrize(
    ("name", "argument", "seconds", "error"),
    [
        ("spin", None, 0.2, OutOfTime),
        ("sleep", 60, 0.2, OutOfTime),
        ("eat", None, 60, OutOfMemory),
        ("large", 2 << 20, 20, OutOfMemory),
        ("die", 3, 20, WorkerDied),
        ("babble", "ffffffff", 60, OutOfMemory),
        ("babble", "03000000" + "c1c1c1", 20, WorkerDied),
    ],
)
def test_one_that_is_gone_is_replaced(
    pool: WorkerPool, name: str, argument: Any, seconds: float, error: type[Exception]
) -> None:
    first = call(pool, "pid")
    with pytest.raises(error) as raised:
        call(pool, name, argument, seconds)
    assert type(raised.value) is error
    assert not psutil.pid_exists(first)
    assert call(pool, "pid") != first


def test_one_killed_while_it_waits_is_replaced(pool: WorkerPool) -> None:
    first = call(pool, "pid")
    os.kill(first, signal.SIGKILL)
    psutil.Process(first).wait(10)
    assert call(pool, "pid") != first


def test_jobs_run_side_by_side_and_one_more_waits(pool: WorkerPool) -> None:
    with ThreadPoolExecutor(4) as threads:
        endless = [threads.submit(call, pool, "spin", None, 0.5) for _ in range(2)]
        waiting = [threads.submit(call, pool, "twice", i) for i in range(2)]
        assert [w.result() for w in waiting] == [[0, 0], [1, 1]]
        assert all(isinstance(e.exception(), OutOfTime) for e in endless)


def test_a_worker_whose_server_is_gone_does_not_compute_for_ever() -> None:
    """Its own limit ends it: nobody is left to."""
    pool = WorkerPool(modules=("jobs_of_a_test",))
    pid = call(pool, "pid")
    ended = threading.Event()

    def wait() -> None:
        with contextlib.suppress(WorkerDied):
            call(pool, "spin", None, 20.0)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    process = psutil.Process(pid)
    while process.cpu_times().user < 0.3:
        time.sleep(0.01)
    soft, _ = process.rlimit(psutil.RLIMIT_CPU)
    assert soft <= process.cpu_times().user + process.cpu_times().system + 22
    process.kill()
    assert ended.wait(20)
    pool.close()


def test_a_first_job_comes_before_the_others_and_a_worker_ends_after_some() -> None:
    pool = WorkerPool(modules=("jobs_of_a_test",), first=("jobs_of_a_test:remember", "x"), jobs=2)
    try:
        pids = [call(pool, "pid") for _ in range(4)]
        assert pids[0] == pids[1] != pids[2] == pids[3]
        assert call(pool, "remembered") == ["x"]
    finally:
        pool.close()


@pytest.mark.parametrize("first", [("jobs_of_a_test:die", 3), ("jobs_of_a_test:fail", None), ("no.such:job", None)])
def test_a_worker_whose_first_job_fails_is_not_started(first: tuple[str, Any]) -> None:
    before = set(children())
    pool = WorkerPool(modules=("jobs_of_a_test",), first=first)
    with pytest.raises(NotStarted):
        call(pool, "pid")
    assert set(children()) <= before
    missing = WorkerPool(modules=("no_such_module",))
    with pytest.raises(NotStarted):
        call(missing, "pid")


def test_what_a_worker_has_not(pool: WorkerPool, tmp_path: Path) -> None:
    assert not {m.partition(".")[0] for m in call(pool, "modules")} & {"torch", "transformers", "numpy", "litestar"}
    assert "HF_TOKEN" not in call(pool, "environment")
    with pytest.raises(RuntimeError, match="OSError"):
        call(pool, "write", str(tmp_path / "file"))
