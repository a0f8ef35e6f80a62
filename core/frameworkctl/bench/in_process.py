"""``bench latency`` and ``bench throughput``: batches through ``LLM``, without HTTP."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec

from frameworkctl.errors import ConfigError
from frameworkctl.offline.errors import InvalidRequest
from frameworkctl.offline.llm import LLM
from frameworkctl.offline.sampling import SamplingParams

Clock = Callable[[], float]


class Latency(msgspec.Struct, kw_only=True):
    """Milliseconds, medians of the repetitions. ``decode_step``: per token after the first, for the whole batch."""

    batch_size: int
    input_len: int
    output_len: int
    prefill: float
    decode_step: float | None  # None where only one token is asked for
    total: float
    output_throughput: float  # tokens a second of the whole batch, prefill included
    totals: list[float]
    prefills: list[float]


class Throughput(msgspec.Struct, kw_only=True):
    """Medians of the repetitions, and the output tokens per second of each."""

    requests: int
    input_len: int
    output_len: int
    seconds: float
    request_throughput: float
    output_throughput: float
    total_token_throughput: float
    output_throughputs: list[float]


def latency(
    llm: LLM,
    *,
    batch: int,
    input_len: int,
    output_len: int,
    warmups: int,
    repeat: int,
    seed: int,
    clock: Clock = time.perf_counter,
) -> Latency:
    """Return the same batch shape again and again, each time with prompts of its own: once for its first token alone,
    which is the prefill, and once for all tokens."""
    rng = random.Random(seed)
    prefills, totals = [], []
    for number in range(warmups + repeat):
        prefill = _timed(llm, rng, batch, input_len, 1, clock)
        total = _timed(llm, rng, batch, input_len, output_len, clock) if output_len > 1 else prefill
        if number >= warmups:
            prefills.append(1e3 * prefill)
            totals.append(1e3 * total)
    first, whole = statistics.median(prefills), statistics.median(totals)
    return Latency(
        batch_size=batch,
        input_len=input_len,
        output_len=output_len,
        prefill=round(first, 3),
        total=round(whole, 3),
        decode_step=round((whole - first) / (output_len - 1), 4) if output_len > 1 else None,
        output_throughput=round(1e3 * batch * output_len / whole, 3),
        totals=[round(t, 3) for t in totals],
        prefills=[round(t, 3) for t in prefills],
    )


def throughput(
    llm: LLM,
    *,
    requests: int,
    input_len: int,
    output_len: int,
    warmups: int,
    repeat: int,
    seed: int,
    clock: Clock = time.perf_counter,
) -> Throughput:
    """Return all requests at once, as a batch job would send them."""
    rng = random.Random(seed)
    if warmups:
        _timed(llm, rng, warmups, input_len, output_len, clock)
    seconds = [_timed(llm, rng, requests, input_len, output_len, clock) for _ in range(repeat)]
    middle = statistics.median(seconds)
    return Throughput(
        requests=requests,
        input_len=input_len,
        output_len=output_len,
        seconds=round(middle, 4),
        request_throughput=round(requests / middle, 4),
        output_throughput=round(requests * output_len / middle, 3),
        total_token_throughput=round(requests * (input_len + output_len) / middle, 3),
        output_throughputs=[round(requests * output_len / s, 3) for s in seconds],
    )


def _timed(llm: LLM, rng: random.Random, count: int, input_len: int, output_len: int, clock: Clock) -> float:
    """Raise ConfigError if the model cannot do what is to be measured."""
    prompts: list[Any] = [[rng.randrange(llm.vocab_size) for _ in range(input_len)] for _ in range(count)]
    params = SamplingParams(temperature=0.0, max_tokens=output_len, ignore_eos=True)
    began = clock()
    try:
        outputs = llm.generate(prompts, params, use_tqdm=False)
    except InvalidRequest as e:
        raise ConfigError(e.message) from None
    took = clock() - began
    written = sum(len(o.outputs[0].token_ids) for o in outputs)
    if written != count * output_len:
        raise ConfigError(f"{written} tokens came, not {count * output_len}: the context is too short for the lengths")
    return took
