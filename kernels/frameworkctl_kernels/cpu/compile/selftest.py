"""Self-test of freshly compiled kernels: run in a process of its own, because they may crash it.

``python -m frameworkctl_kernels.cpu.compile.selftest LIBRARY`` ends with status 0 if every check holds. Free of
torch, so that it takes a fraction of a second.
"""

from __future__ import annotations

import ctypes
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import library

F32, BF16, F16, SQUEEZED = 0, 1, 2, 3
Kernels = ctypes.CDLL
Array = NDArray[Any]


def address(array: Array) -> int:
    return int(array.ctypes.data)


def to_bf16(x: Array) -> NDArray[np.uint16]:
    """Return the upper half of each float32, rounded to nearest even."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(x: NDArray[np.uint16]) -> NDArray[np.float32]:
    return (x.astype(np.uint32) << 16).view(np.float32)


def check(name: str, got: Array, wanted: Array, tolerance: float) -> None:
    """Raise ValueError if the largest difference exceeds ``tolerance`` times the largest value wanted."""
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


def to_half(x: Array) -> Array:
    return x.astype(np.float16)


def to_single(x: Array) -> Array:
    return x.astype(np.float32)


# (type, from float32 to it, and back)
FORMS: tuple[tuple[int, Callable[[Array], Array], Callable[[Array], Array]], ...] = (
    (F32, to_single, to_single),
    (F16, to_half, to_single),
    (BF16, to_bf16, from_bf16),
)


def check_linear(kernels: Kernels) -> None:
    """Packed products in every type, at row counts that take every form of the inner loop."""
    random = np.random.default_rng(0)
    outputs, inputs = 75, 131
    wide = random.standard_normal((outputs, inputs)).astype(np.float32)
    bias = random.standard_normal(outputs).astype(np.float32)
    for type_, cast, back in FORMS:
        w, b = cast(wide), cast(bias)
        panels = np.zeros(96 * (inputs + 1) * 4, np.uint8)
        kernels.fc_pack(type_, address(w), inputs, outputs, inputs, address(panels))
        forms = [library.Weight(address(panels), outputs, inputs, type_, 0, None)]
        if type_ == BF16:
            codes, notes = np.zeros(3 * 66 * 96, np.uint8), np.zeros(kernels.fc_notes_bytes(outputs, inputs), np.uint8)
            if not kernels.fc_find_codes(address(w), inputs, outputs, inputs, address(notes)):
                raise AssertionError("weights that can be squeezed are not")
            kernels.fc_squeeze(address(w), inputs, outputs, inputs, address(codes), address(notes))
            forms.append(library.Weight(address(codes), outputs, inputs, SQUEEZED, 0, address(notes)))
        for weight, rows in itertools.product(forms, (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 25)):
            x = cast(random.standard_normal((rows, inputs)).astype(np.float32))
            out = np.zeros((rows, outputs), np.float32)
            kernels.fc_linear(ctypes.addressof(weight), address(x), inputs, rows, address(b), address(out), F32)
            check("linear", out, back(x).astype(np.float64) @ back(w).astype(np.float64).T + back(b), 1e-5)


def check_quantized(kernels: Kernels) -> None:
    """Products with weights of 8 and 4 bits, over more than one block and a rest."""
    random = np.random.default_rng(0)
    outputs, inputs, groups = 75, 150, 5
    bytes_, nibbles = (
        random.integers(-127, 128, (outputs, inputs), np.int8),
        random.integers(0, 16, (outputs, inputs), np.uint8),
    )
    scales = np.zeros(96, np.float32)
    scales[:outputs] = random.random(outputs) / 127
    group_scales, offsets = (random.random((2, outputs, groups)) / 8).astype(np.float16).astype(np.float32)
    panels, four = np.zeros(96 * 256, np.int8), np.zeros(96 * 160 // 8, np.uint32)
    numbers = np.zeros(96 * groups * 2, np.uint16)
    kernels.fc_pack_int8(address(bytes_), outputs, inputs, 128, address(panels))
    kernels.fc_pack_int4(
        address(nibbles),
        address(group_scales),
        address(offsets),
        outputs,
        inputs,
        32,
        address(four),
        address(numbers),
    )
    spread = np.repeat(np.arange(groups), 32)[:inputs]
    weights = (
        (library.Weight(address(panels), outputs, inputs, 8, 128, address(scales)), bytes_ * scales[:outputs, None]),
        (
            library.Weight(address(four), outputs, inputs, 4, 32, address(numbers)),
            nibbles * group_scales[:, spread] + offsets[:, spread],
        ),
    )
    for weight, wide in weights:
        for rows in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 25):
            x = random.standard_normal((rows, inputs)).astype(np.float32)
            out = np.zeros((rows, outputs), np.float32)
            kernels.fc_linear_quantized(
                ctypes.addressof(weight), F32, address(x), inputs, rows, None, address(out), F32
            )
            check("linear over rounded weights", out, x.astype(np.float64) @ wide.astype(np.float64).T, 1e-3)


CHECKS: list[Callable[[Kernels], None]] = [check_conversion, check_linear, check_quantized]


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
