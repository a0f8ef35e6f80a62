"""Whether freshly compiled kernels compute what they should: run in a process of its own, because they may crash it.

``python -m frameworkctl_kernels.cpu.selftest LIBRARY`` ends with status 0 if every check holds. Free of torch, so that
it takes a fraction of a second.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import library

F32, BF16, F16 = 0, 1, 2
Kernels = ctypes.CDLL
Array = NDArray[Any]


def address(array: Array) -> int:
    return int(array.ctypes.data)


def to_bf16(x: Array) -> NDArray[np.uint16]:
    """The upper half of each float32, rounded to nearest even."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(x: NDArray[np.uint16]) -> NDArray[np.float32]:
    return (x.astype(np.uint32) << 16).view(np.float32)


def check(name: str, got: Array, wanted: Array, tolerance: float) -> None:
    """Raises ValueError where the largest difference exceeds ``tolerance`` times the largest value wanted."""
    error = float(np.abs(got.astype(np.float64) - wanted).max()) / max(1e-30, float(np.abs(wanted).max()))
    if not error <= tolerance:
        raise ValueError(f"{name} is off by {error:.1e} (at most {tolerance:.1e} is right)")


def check_conversion(kernels: Kernels) -> None:
    """Over enough values that several threads share the work, with a rest that fills no vector."""
    kernels.fc_set_threads(2)
    x = np.random.default_rng(0).standard_normal(200_003).astype(np.float32)
    half, bf, back = np.empty(x.size, np.float16), np.empty(x.size, np.uint16), np.empty_like(x)
    kernels.fc_convert(address(x), F32, address(half), F16, x.size)
    kernels.fc_convert(address(x), F32, address(bf), BF16, x.size)
    if not (half == x.astype(np.float16)).all() or not (bf == to_bf16(x)).all():
        raise ValueError("conversion to half precision rounds wrongly")
    kernels.fc_convert(address(bf), BF16, address(back), F32, x.size)
    check("conversion from bfloat16", back, from_bf16(bf), 0.0)


CHECKS: list[Callable[[Kernels], None]] = [check_conversion]


def main(path: str) -> int:
    kernels = library.load(Path(path))
    for run in CHECKS:
        try:
            run(kernels)
        except ValueError as e:
            sys.stderr.write(f"error: {run.__name__}: {e}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
