"""What goes wrong stays small: killed engines, clients that leave, overload, shutdown."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
from support.serving.server import RunningServer, ended, start_server

pytestmark = pytest.mark.e2e
LONG = {"ignore_eos": True, "return_token_ids": True}  # a stream that ends only by its length


@pytest.fixture
def own(checkpoints: dict[str, Path]) -> Iterator[RunningServer]:
    """Two models on a server of the test's own."""
    server = start_server(arguments(checkpoints))
    yield server
    server.stop()


def arguments(checkpoints: dict[str, Path], *more: str) -> list[str]:
    models = [f"a={checkpoints['llama']}", f"b={checkpoints['gemma2']}"]
    return ["--model", models[0], "--model", models[1], "--dtype", "float32", "--max-model-len", "1024", *more]


def stream_of(server: RunningServer, model: str, tokens: int, prompt: str = "the") -> Any:
    return server.openai(timeout=60).completions.create(
        model=model, prompt=prompt, max_tokens=tokens, temperature=0, stream=True, extra_body=LONG
    )


def tokens_of(chunks: Iterable[Any]) -> int:
    return sum(len(c.choices[0].token_ids) for c in chunks)


def test_killed_engine(own: RunningServer) -> None:
    """kill -9 under load: each open request ends with one error, the other model notices nothing, and it comes back."""
    want = own.openai().completions.create(model="b", prompt="the", max_tokens=200, temperature=0, extra_body=LONG)
    outcomes: dict[str, list[Any]] = {"a": [], "b": []}

    def consume(model: str, i: int) -> None:
        try:
            text = "".join(c.choices[0].text for c in stream_of(own, model, 900 if model == "a" else 200))
            outcomes[model].append(text)
        except openai.APIError as e:
            outcomes[model].append(e)

    def plain() -> None:
        try:
            own.openai(timeout=60).completions.create(model="a", prompt="the", max_tokens=900, extra_body=LONG)
            outcomes["a"].append("no error")
        except openai.APIError as e:
            outcomes["a"].append(e)

    threads = [threading.Thread(target=consume, args=(m, i)) for i in range(8) for m in "ab"]
    threads += [threading.Thread(target=plain) for _ in range(4)]
    for thread in threads:
        thread.start()
    while own.health()["models"]["a"]["running"] < 12:
        time.sleep(0.01)
    first = own.engine_pid("a")
    os.kill(first, signal.SIGKILL)
    while httpx.get(f"{own.url}/health").status_code == 200 and own.health()["models"]["a"]["restarts"] == 0:
        time.sleep(0.005)
    for thread in threads:
        thread.join(60)
    assert len(outcomes["a"]) == 12
    assert all(isinstance(o, openai.APIError) and "engine died" in o.message for o in outcomes["a"])
    assert outcomes["b"] == [want.choices[0].text] * 8
    own.wait(200)
    health = own.health()["models"]
    assert (health["a"]["restarts"], health["b"]["restarts"]) == (1, 0)
    own.logged(r"(?s)(: a is ready.*){2}")
    assert own.engine_pid("a") != first
    assert tokens_of(stream_of(own, "a", 5)) == 5


def test_killed_nursery(own: RunningServer) -> None:
    """Engines live on without it, and another one can still start them again."""
    nursery = next(
        p
        for p in own.processes()
        if "frameworkctl.engine.nursery" in " ".join(p.cmdline()) and p.ppid() == own.process.pid
    )
    nursery.kill()
    assert tokens_of(stream_of(own, "a", 5)) == 5
    os.kill(own.engine_pid("b"), signal.SIGKILL)
    time.sleep(0.2)
    own.wait(200, timeout=60)
    assert tokens_of(stream_of(own, "b", 5)) == 5


@pytest.mark.parametrize("streaming", [True, False], ids=["stream", "plain"])
def test_client_that_leaves_frees_its_pages(own: RunningServer, streaming: bool) -> None:
    """The engine stops within a step or so: far fewer than the tokens asked for are computed."""

    async def leave() -> None:
        body = {"model": "a", "prompt": "the", "max_tokens": 1000, "stream": streaming, **LONG}
        async with httpx.AsyncClient() as client:
            request = asyncio.ensure_future(client.post(f"{own.url}/v1/completions", json=body))
            while (await client.get(f"{own.url}/health")).json()["models"]["a"]["running"] == 0:
                await asyncio.sleep(0.005)
            request.cancel()

    asyncio.run(leave())
    own.wait_idle()
    model = own.health()["models"]["a"]
    assert model["free_pages"] == model["total_pages"]
    line = next(line for line in own.logged("client disconnected").splitlines() if "client disconnected" in line)
    assert " 499 " in line
    assert int(line.partition("tokens=")[2].split()[0].partition("+")[2]) < 900


def test_sigterm_drains(checkpoints: dict[str, Path]) -> None:
    """Open streams run to their end, new requests are refused with 503, then everything is gone."""
    server = start_server(arguments(checkpoints))
    stream = stream_of(server, "a", 900)
    first = next(iter(stream))
    server.process.send_signal(signal.SIGTERM)
    while server.health()["status"] != "draining":
        time.sleep(0.005)
    refused = httpx.post(f"{server.url}/v1/completions", json={"prompt": "x"})
    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    assert refused.json()["error"]["code"] == "draining"
    assert httpx.get(f"{server.url}/health").status_code == 503
    assert tokens_of([first, *stream]) == 900
    assert server.stop() == 0


def test_grace_ends_with_an_error_event_not_a_cut(checkpoints: dict[str, Path]) -> None:
    server = start_server(arguments(checkpoints, "--shutdown-timeout", "0.2"))
    events: list[str] = []
    body = {"model": "a", "prompt": "the", "max_tokens": 1000, "stream": True, **LONG}
    with httpx.stream("POST", f"{server.url}/v1/completions", json=body, timeout=60) as reply:
        for line in reply.iter_lines():
            if line:
                events.append(line)
            if len(events) == 3:
                server.process.send_signal(signal.SIGTERM)
    assert '"code":"draining"' in events[-2]
    assert events[-1] == "data: [DONE]"
    assert server.stop() == 0


def test_second_signal_stops_at_once(checkpoints: dict[str, Path]) -> None:
    server = start_server(arguments(checkpoints, "--shutdown-timeout", "600"))
    stream = stream_of(server, "a", 1000)
    next(iter(stream))
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    assert server.stop() == 0


def test_overload_is_429(checkpoints: dict[str, Path]) -> None:
    """With room for two running and two waiting, the fifth request is told to come back."""
    server = start_server(arguments(checkpoints, "--max-num-seqs", "2", "--max-num-queued-reqs", "2"))
    try:
        got: list[int] = []
        threads = [
            threading.Thread(target=lambda: got.append(tokens_of(stream_of(server, "a", 900)))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        while (model := server.health()["models"]["a"])["running"] + model["waiting"] < 4:
            time.sleep(0.005)
        refused = httpx.post(f"{server.url}/v1/completions", json={"model": "a", "prompt": "x"})
        assert refused.status_code == 429
        assert refused.headers["retry-after"]
        assert refused.json()["error"]["type"] == "rate_limit_error"
        other = httpx.post(f"{server.url}/v1/completions", json={"model": "b", "prompt": "x", "max_tokens": 1})
        assert other.status_code == 200
        for thread in threads:
            thread.join(60)
        assert got == [900] * 4
        again = httpx.post(f"{server.url}/v1/completions", json={"model": "a", "prompt": "x", "max_tokens": 1})
        assert again.status_code == 200
    finally:
        server.stop()


def test_idle_engines_use_no_cpu(own: RunningServer) -> None:
    assert tokens_of(stream_of(own, "a", 20)) == tokens_of(stream_of(own, "b", 20)) == 20
    own.wait_idle()
    time.sleep(0.5)
    engines = [psutil.Process(own.engine_pid(m)) for m in "ab"]
    before = [sum(e.cpu_times()[:2]) for e in engines]
    time.sleep(2.0)
    assert [sum(e.cpu_times()[:2]) - b for e, b in zip(engines, before, strict=True)] == [0.0, 0.0]


def test_a_model_that_cannot_start_ends_the_server(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """The cause is the last line, the exit status tells, and nothing is left behind."""
    import shutil

    from safetensors.torch import load_file, save_file

    folder = tmp_path / "broken"
    shutil.copytree(checkpoints["llama"], folder)
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.2.mlp.up_proj.weight"]
    weights["model.layers.9.extra.weight"] = weights["model.norm.weight"].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    server = start_server([str(folder)], wait=False)
    family = server.processes()
    assert server.process.wait(60) == 2
    assert "model.layers.2.mlp.up_proj.weight" in server.log.splitlines()[-1]
    assert all(ended(p, 60) for p in family)


@pytest.mark.slow
def test_64_streams_a_third_dropped(checkpoints: dict[str, Path]) -> None:
    """Five rounds over two models: the rest is right, every page comes back, memory does not grow."""
    server = start_server(arguments(checkpoints))
    try:
        prompts = [f"the {i} quick brown fox" for i in range(32)]
        want = {
            (m, p): server.openai()
            .completions.create(model=m, prompt=p, max_tokens=150, temperature=0, extra_body=LONG)
            .choices[0]
            .text
            for m in "ab"
            for p in prompts
        }
        memory = []
        for round_ in range(5):
            asyncio.run(one_round(server, want, round_))
            server.wait_idle()
            for model in server.health()["models"].values():
                assert model["free_pages"] == model["total_pages"]
            memory.append(sum(p.memory_info().rss for p in server.processes()))
        assert memory[4] <= memory[1] * 1.03, memory
    finally:
        server.stop()


async def one_round(server: RunningServer, want: dict[tuple[str, str], str], round_: int) -> None:
    client = openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=120)

    async def one(number: int, key: tuple[str, str]) -> None:
        stream = await client.completions.create(
            model=key[0], prompt=key[1], max_tokens=150, temperature=0, stream=True, extra_body=LONG
        )
        text = ""
        async for chunk in stream:
            text += chunk.choices[0].text
            if (number + round_) % 3 == 0 and len(text) > 60:
                await stream.close()
                return
        assert text == want[key]

    await asyncio.gather(*[one(i, key) for i, key in enumerate(want)])
