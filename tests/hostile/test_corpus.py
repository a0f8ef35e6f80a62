"""No request ends the server, hangs it, makes it forget, or changes what another client gets."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from support.checkpoints.pooling_checkpoints import make_classifier, make_embedder
from support.serving.server import RunningServer, start_server

from .corpus import Hostile, whole_corpus
from .victim import Victim
from .wire import Answer, Broken, break_off, broken_connections, error_of, request_bytes, send

pytestmark = pytest.mark.e2e
CONNECTIONS = 16
MOST_BYTES = 16_000  # of an error
SEED = int(os.environ.get("HOSTILE_SEED", "0"))
NAME = os.environ.get("HOSTILE_NAME", "")  # part of a name: only these are sent
GROWTH = 1.03  # most that memory may grow over the rounds
FILLING = 2  # rounds before that, in which caches fill that have a limit
FOUND = (  # each was a status 500 once
    "/score text_1 = long key",
    "/rerank query = same key twice",
    "/v1/chat/completions ['messages', 0] tool_calls = 7",
    "/v1/chat/completions ['messages', 0] content = deep list",
    "/v1/chat/completions messages = deep list",
)


@pytest.fixture(scope="module")
def attacked(checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    root = tmp_path_factory.mktemp("hostile")
    make_embedder(root / "embedder")
    make_classifier(root / "classifier", 1)
    args = [f"--model=chat={checkpoints['llama']}"]
    args += [f"--model={name}={root / name}" for name in ("embedder", "classifier")]
    args += ["--dtype", "float32", "--max-grammar-seconds", "3"]
    server = start_server([*args, "--enable-auto-tool-choice", "--tool-call-parser", "hermes"])
    yield server
    server.stop()


class Attack:
    """Sends a list of requests over some connections, and notes what was wrong with the answers."""

    def __init__(self, server: RunningServer) -> None:
        self._port = server.port
        self.statuses: Counter[int] = Counter()
        self.faults: list[str] = []

    async def run(self, things: list[Hostile | Broken]) -> Victim:
        victim, done = Victim(self._port), asyncio.Event()
        watching = asyncio.create_task(victim.run(done))
        queue = iter(things)
        await asyncio.gather(*(self._worker(queue) for _ in range(CONNECTIONS)))
        done.set()
        await watching
        return victim

    async def _worker(self, queue: Iterator[Hostile | Broken]) -> None:
        for thing in queue:
            try:
                if isinstance(thing, Broken):
                    answer = await break_off(self._port, thing)
                else:
                    answer = await send(self._port, request_bytes(thing))
            except TimeoutError:
                self.faults.append(f"no answer to {thing.name}")
                continue
            self.statuses[answer.status] += 1
            if wrong := self._wrong(thing, answer):
                self.faults.append(f"{wrong}: {thing.name}: {answer.body[:300]!r}")

    def _wrong(self, thing: Hostile | Broken, answer: Answer) -> str | None:
        """Return what is wrong with an answer."""
        status = answer.status
        if status >= 500:
            return f"status {status}"
        if status < 400:
            return None if status or isinstance(thing, Broken) else "no answer"
        if len(answer.body) > MOST_BYTES:
            return f"{len(answer.body)} bytes of error"
        if isinstance(thing, Broken) or thing.method == "HEAD" or answer.body == b"Invalid HTTP request received.":
            return None  # what is no HTTP is answered by the HTTP library
        error = error_of(answer)
        if not isinstance(error, dict) or not {"message", "type", "param", "code"} <= set(error):
            return "not an error as OpenAI's"
        return None


def memory(server: RunningServer) -> dict[str, int]:
    """Return the bytes of each process that it shares with nobody: what is shared varies with what else runs."""
    found: dict[str, int] = {}
    for process in server.processes():
        try:
            found[f"{process.pid} {' '.join(process.cmdline())[-60:]}"] = process.memory_full_info().uss
        except psutil.NoSuchProcess:
            continue
    return found


def check(server: RunningServer, attack: Attack, victim: Victim) -> None:
    assert not attack.faults, f"{len(attack.faults)} faults:\n" + "\n".join(attack.faults[:100])
    assert not victim.wrong
    assert victim.rounds > 0
    server.wait_idle()
    for name, model in server.health()["models"].items():
        assert (model["restarts"], model["state"]) == (0, "ready"), name
        if "total_pages" in model:
            assert model["free_pages"] == model["total_pages"], name


def everything(server: RunningServer) -> list[Hostile | Broken]:
    document = httpx.get(f"{server.url}/openapi.json").json()
    found = [*whole_corpus(document, SEED), *broken_connections()]
    return [thing for thing in found if NAME in thing.name]


def test_some_of_them(attacked: RunningServer) -> None:
    """A sample; all of them: ``pytest tests/hostile -m slow -s``.

    ``HOSTILE_NAME='/score text_1 = long key' pytest tests/hostile`` sends again what was at fault, and
    ``HOSTILE_SEED=7`` draws other requests.
    """
    attack = Attack(attacked)
    things = everything(attacked)
    some = things if NAME else [t for i, t in enumerate(things) if i % 41 == SEED % 41 or t.name in FOUND]
    assert NAME or {t.name for t in some} >= set(FOUND)
    victim = asyncio.run(attack.run(some))
    check(attacked, attack, victim)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_all_of_them_three_times(attacked: RunningServer) -> None:
    things = everything(attacked)
    assert len(things) >= 10_000
    totals = []
    for number in range(FILLING + 3):
        attack = Attack(attacked)
        victim = asyncio.run(attack.run(things))
        check(attacked, attack, victim)
        used = memory(attacked)
        totals.append(sum(used.values()))
        print(f"\nround {number}: {len(things)} requests, {dict(attack.statuses)}, victim {victim.rounds} rounds, MB:")
        print("  " + ", ".join(f"{name.split()[0]} {size / 1e6:.1f}" for name, size in used.items()), flush=True)
    assert max(totals[FILLING:]) <= min(totals[FILLING:]) * GROWTH, totals
