"""Decode, prefill, a shared prefix and the front end, beside other servers and transformers on the same weights.

pytest tests/bench/test_workloads.py -m bench -s                      a small Llama, beside transformers' generate
FRAMEWORKCTL_BENCH_MODEL=PATH FRAMEWORKCTL_BENCH_DTYPE=bfloat16 ...    another model
FRAMEWORKCTL_PEER_URL=http://127.0.0.1:9000 ...                        beside any OpenAI-compatible server
... -k "d1 or shared"                                                  some of the workloads

The peer must serve the same checkpoint; the front end's is best measured with a tiny one. Who is measured takes turns.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from frameworkctl.bench.load import Level
from frameworkctl.bench.report.chart import draw
from frameworkctl.bench.results import Report, Summary
from frameworkctl.bench.serving import Plan, measure
from frameworkctl.bench.workload import Dialect, Workload, prompt
from support.checkpoints.tiny import make_checkpoint
from support.serving.server import RunningServer, start_server

pytestmark = [pytest.mark.bench, pytest.mark.timeout(7200)]
ROUNDS = 3
MODEL = os.environ.get("FRAMEWORKCTL_BENCH_MODEL")
DTYPE = os.environ.get("FRAMEWORKCTL_BENCH_DTYPE", "float32")
PEER = os.environ.get("FRAMEWORKCTL_PEER_URL")
CHART = os.environ.get("FRAMEWORKCTL_BENCH_CHART")  # a file for the curves of d1, d8 and d32
SHAPE = {
    "vocab_size": 8192,
    "hidden_size": 512,
    "intermediate_size": 1536,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 2048,
}
# clients, requests, lengths
WORKLOADS = {
    "d1": (1, 3, Workload(input_len=128, output_len=128)),
    "d8": (8, 16, Workload(input_len=128, output_len=128)),
    "d32": (32, 32, Workload(input_len=128, output_len=128)),
    "prefill": (4, 8, Workload(input_len=1024, output_len=1)),
    "shared": (4, 16, Workload(input_len=24, output_len=16, shared_prefix_len=1000)),
    "front-128": (64, 256, Workload(input_len=16, output_len=128)),
    "front-1": (64, 512, Workload(input_len=16, output_len=1)),
}


class Measured(msgspec.Struct):
    """The model, our server of it, and transformers' way to generate with it."""

    folder: Path
    ids: range
    server: RunningServer
    generate: Callable[[list[list[int]], int], None]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    folder = Path(MODEL) if MODEL else make_checkpoint("llama", tmp_path_factory.mktemp("model"), **SHAPE)
    vocab = json.loads((folder / "config.json").read_text())["vocab_size"]
    server = start_server([str(folder), "--dtype", DTYPE, "--max-model-len", "2048"])
    try:
        yield Measured(folder, range(min(100, vocab // 2), vocab), server, generator(folder))
    finally:
        server.stop()


def generator(folder: Path) -> Callable[[list[list[int]], int], None]:
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, DTYPE)).eval()

    def generate(batch: list[list[int]], new: int) -> None:
        with torch.inference_mode():
            out = model.generate(torch.tensor(batch), max_new_tokens=new, min_new_tokens=new, do_sample=False)
        assert out.shape == (len(batch), len(batch[0]) + new)

    return generate


def over_http(url: str, name: str, ids: range, seed: int, warmups: int) -> Report:
    clients, requests, load = WORKLOADS[name]
    load = msgspec.structs.replace(load, seed=seed)
    plan = Plan(
        url=url,
        levels=(Level(concurrency=clients),),
        load=load,
        requests=requests,
        warmups=warmups,
        ids=ids,
        api_key=os.environ.get("FRAMEWORKCTL_PEER_API_KEY"),
    )
    report = asyncio.run(measure(plan))
    [level] = report.levels
    assert (level.completed, level.failed) == (requests, 0), level.errors
    assert level.output_tokens == requests * load.output_len, report.notes
    return report


def tokens_per_second(name: str, level: Summary) -> float:
    """Of the answers; of the prompts where those are the work."""
    tokens = level.input_tokens if name == "prefill" else level.output_tokens
    return tokens / level.seconds[0]


def by_transformers(measured: Measured, name: str, seed: int) -> float:
    """As many sequences as there are clients in each static batch."""
    clients, requests, load = WORKLOADS[name]
    load = msgspec.structs.replace(load, seed=seed)
    dialect = Dialect(model="", path="", fields={}, ids=list(measured.ids))
    prompts: list[Any] = [prompt(load, dialect, "generate", str(i)) for i in range(requests)]
    began = time.perf_counter()
    for i in range(0, requests, clients):
        measured.generate(prompts[i : i + clients], load.output_len)
    tokens = load.prompt_len if name == "prefill" else load.output_len
    return requests * tokens / (time.perf_counter() - began)


CURVES: dict[str, list[Report]] = {"frameworkctl": [], "peer": []}


@pytest.mark.parametrize("name", WORKLOADS)
def test_workload(name: str, measured: Measured) -> None:
    found: dict[str, list[float]] = {"frameworkctl": [], "peer": [], "transformers": []}
    reports: dict[str, Report] = {}
    urls = {"frameworkctl": measured.server.url, "peer": PEER}
    for number in range(ROUNDS):
        for who, url in urls.items():
            if url is not None:
                seed = int.from_bytes(os.urandom(4), "little")
                reports[who] = over_http(url, name, measured.ids, seed, WORKLOADS[name][0] if number == 0 else 0)
                found[who].append(tokens_per_second(name, reports[who].levels[0]))
        if not name.startswith("front"):
            found["transformers"].append(by_transformers(measured, name, number))
    own = statistics.median(found["frameworkctl"])
    print(f"\n{name}: tokens/s, median of {ROUNDS} rounds [least-most]")
    for who, rates in found.items():
        if rates:
            middle = statistics.median(rates)
            print(f"  {who:<13} {middle:8.1f} [{min(rates):.1f}-{max(rates):.1f}]  ours is {own / middle:.2f} of it")
    for who, report in reports.items():
        level = report.levels[0]
        first, gap, token = (spread.p50 if spread else 0 for spread in (level.ttft_ms, level.itl_ms, level.tpot_ms))
        print(
            f"  {who:<13} in the last round: {tokens_per_second(name, level):.1f} tokens/s, TTFT p50 {first:.0f} ms,"
            f" ITL p50 {gap:.1f} ms, per token {token:.1f} ms, {level.cached_tokens} of {level.input_tokens} prompt"
            f" tokens cached{''.join(f'; {note}' for note in report.notes)}"
        )
        if name in ("d1", "d8", "d32"):
            CURVES[who].append(report)


def test_chart() -> None:
    """Written when the three above have run."""
    if CHART is None:
        pytest.skip("FRAMEWORKCTL_BENCH_CHART names no file")
    curves = [
        msgspec.structs.replace(parts[0], levels=[level for part in parts for level in part.levels])
        for parts in CURVES.values()
        if parts
    ]
    draw(Path(CHART), curves)
