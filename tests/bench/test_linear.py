"""Linear layers over packed weights beside torch's and oneDNN's on the same weights, in interleaved rounds.

pytest tests/bench/test_linear.py -m bench -s
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from frameworkctl_kernels.cpu.backend import CpuBackend
from frameworkctl_kernels.protocol import Packed
from frameworkctl_kernels.reference.linear import OneDnnWeight, onednn_takes

pytestmark = pytest.mark.bench
SHAPES = [(1152, 896), (896, 896), (9728, 896), (896, 4864)]  # (outputs, inputs) of a layer of Qwen2 0.5B
LAYERS = 6  # more than caches hold
ROWS = {1: 15, 8: 15, 32: 11, 512: 5}  # and how many rounds
Run = Callable[[dict[int, torch.Tensor]], None]


def ours(backend: CpuBackend, weights: list[torch.Tensor], fmt: str) -> Run:
    packed: list[Packed] = [backend.pack(w, fmt) for w in weights]

    def run(xs: dict[int, torch.Tensor]) -> None:
        for p in packed:
            backend.linear(xs[p.shape[1]], p)

    return run


def plain(weights: list[torch.Tensor]) -> Run:
    def run(xs: dict[int, torch.Tensor]) -> None:
        for w in weights:
            F.linear(xs[w.shape[1]], w)

    return run


def onednn(weights: list[torch.Tensor]) -> Run:
    packed = [OneDnnWeight(w) for w in weights]

    def run(xs: dict[int, torch.Tensor]) -> None:
        for p in packed:
            p.linear(xs[p.shape[1]], None)

    return run


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float16], ids=str)
@torch.inference_mode()
def test_layers(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    backend = CpuBackend("cpu")
    weights = [torch.randn(shape).mul_(0.02).to(dtype) for shape in SHAPES * LAYERS]
    runs = {fmt: ours(backend, weights, fmt) for fmt in ("plain", "int8", "int4")}
    runs["torch"] = plain(weights)
    if onednn_takes(dtype):
        runs["oneDNN"] = onednn(weights)
    size = sum(w.numel() for w in weights)
    for rows, rounds in ROWS.items():
        xs = {k: torch.randn(rows, k).to(dtype) for k in {w.shape[1] for w in weights}}
        taken: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds + 1):
            for name, run in runs.items():
                started = time.perf_counter()
                run(xs)
                taken[name].append(time.perf_counter() - started)
        median = {name: statistics.median(times[1:]) for name, times in taken.items()}
        text = ", ".join(f"{n} {t * 1e3:.1f} ms ({t / median['plain']:.2f})" for n, t in median.items())
        rate = f"{size * weights[0].itemsize / median['plain'] / 1e9:.0f} GB/s"
        print(f"\n{dtype} {rows:4d} rows: {text}; plain {rate}, {2 * size * rows / median['plain'] / 1e9:.0f} GFLOP/s")
