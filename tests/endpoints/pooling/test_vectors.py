"""Vectors in the API's types and byte orders, against torch's casts and the struct module."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import torch
from frameworkctl.interfaces import PoolOutput
from frameworkctl_endpoints.pooling import vectors

TYPES = {
    "float16": (torch.float16, np.uint16),
    "bfloat16": (torch.bfloat16, np.uint16),
    "fp8_e4m3": (torch.float8_e4m3fn, np.uint8),
    "fp8_e5m2": (torch.float8_e5m2, np.uint8),
}


def values() -> np.ndarray:
    """Ordinary numbers, random bits, and numbers halfway between two of a small type, subnormal ones too."""
    rng = np.random.default_rng(3)
    any_bits = rng.integers(0, 2**32, 20_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    halfway = np.ldexp(1 + rng.integers(0, 64, 20_000) / 32, rng.integers(-30, 18, 20_000)).astype(np.float32)
    edges = [0.0, -0.0, 448, 464, 57344, 61439, 61440, 65504, 65519, 65520, 2**-9, 2**-10, 3 * 2**-11, 2**-24, 2**-25]
    found = np.concatenate([rng.standard_normal(5000, dtype=np.float32), any_bits, halfway, np.float32(edges)])
    return np.concatenate([found[~np.isnan(found)], -halfway])


@pytest.mark.parametrize("name", TYPES)
def test_casts_round_as_torch_does(name: str) -> None:
    type_, bits = TYPES[name]
    given = values()
    if name == "fp8_e4m3":  # beyond its largest number torch versions differ
        given = given[np.abs(given) <= 448]
    want = torch.from_numpy(given).to(type_).view(torch.uint16 if bits is np.uint16 else torch.uint8).numpy()
    assert (np.frombuffer(vectors.encoded(given.tobytes(), name, "little"), "<" + bits().dtype.str[1:]) == want).all()  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "codes"), [("fp8_e4m3", [0x7E, 0xFE, 0x7F]), ("fp8_e5m2", [0x7C, 0xFC, 0x7F])])
def test_what_is_too_large_for_eight_bits(name: str, codes: list[int]) -> None:
    """e4m3 has no infinity and stops at 448; NaN stays NaN."""
    data = struct.pack("<3f", 1e9, float("-inf"), float("nan"))
    assert list(vectors.encoded(data, name, "little")) == codes  # type: ignore[arg-type]


def test_nan_stays_nan_in_sixteen_bits() -> None:
    data = struct.pack("<f", float("nan"))
    half = vectors.encoded(data, "float16", "little")
    assert np.isnan(np.frombuffer(half, np.float16)).all()
    brain = np.frombuffer(vectors.encoded(data, "bfloat16", "little"), np.uint16).astype(np.uint32) << 16
    assert np.isnan(brain.view(np.float32)).all()


@pytest.mark.parametrize("name", ["float32", *TYPES])
def test_big_endian_is_the_same_numbers_the_other_way_round(name: str) -> None:
    data = struct.pack("<5f", 1.5, -2.25, 0.1, 1e-3, 300.0)
    size = vectors.SIZES[name]  # type: ignore[index]
    little, big = (vectors.encoded(data, name, order) for order in ("little", "big"))  # type: ignore[arg-type]
    assert len(little) == 5 * size
    assert [little[i : i + size][::-1] for i in range(0, len(little), size)] == [
        big[i : i + size] for i in range(0, len(big), size)
    ]
    assert vectors.encoded(data, name, "native") in (little, big)  # type: ignore[arg-type]


def test_numbers_are_the_floats_of_the_bytes() -> None:
    flat = [0.1, -1.0, 3e38, 1e-45, 0.0, 2.0]
    data = struct.pack("<6f", *flat)
    assert vectors.floats(data) == list(struct.unpack("<6f", data))
    matrix = vectors.numbers(PoolOutput(item=0, data=data, width=3, rows=2))
    assert matrix == [vectors.floats(data)[:3], vectors.floats(data)[3:]]


def test_bits_as_cohere_packs_them() -> None:
    data = struct.pack("<16f", *[0, -1, 1, 1, 1, 1, 1, 1], *[-1.0] * 7, 0.5)
    assert vectors.bits(data, signed=False) == [191, 1]
    assert vectors.bits(data, signed=True) == [63, -127]
