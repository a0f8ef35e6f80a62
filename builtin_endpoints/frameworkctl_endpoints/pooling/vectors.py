"""Pooled vectors as clients read them: lists of numbers, base64, and bytes in the types and byte orders of the API.

What the engine sends is float32, little-endian; numpy is loaded only for what is not that.
"""

from __future__ import annotations

import binascii
import sys
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from frameworkctl.interfaces import PoolOutput

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

EmbedDtype = Literal["float32", "float16", "bfloat16", "fp8_e4m3", "fp8_e5m2"]
Endianness = Literal["native", "big", "little"]

SIZES: dict[EmbedDtype, int] = {"float32": 4, "float16": 2, "bfloat16": 2, "fp8_e4m3": 1, "fp8_e5m2": 1}
SIGN, MAGNITUDE, INFINITY = 0x80000000, 0x7FFFFFFF, 0x7F800000  # of a float32's bits


def floats(data: bytes) -> list[float]:
    """Return the numbers of a vector. ``array`` is faster than numpy here, and than anything that makes them one by
    one.
    """
    numbers = array("f")
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def numbers(output: PoolOutput) -> list[Any]:
    """Return one list, or a list for each row."""
    if output.rows is None:
        return floats(output.data)
    flat, width = floats(output.data), output.width
    return [flat[i : i + width] for i in range(0, len(flat), width)] if width else []


def encoded(data: bytes, dtype: EmbedDtype, endianness: Endianness) -> bytes:
    """Convert float32 values to another type, rounded to the nearest and halves to even, in a byte order."""
    big = resolved(endianness) == "big"
    if dtype == "float32" and not big:
        return data
    import numpy as np

    values = np.frombuffer(data, "<f4")
    cast: Array = CASTS[dtype](values)
    return bytes(cast.astype(cast.dtype.newbyteorder(">" if big else "<")).tobytes())


def load_numpy() -> None:
    """Import numpy in the thread that renders, because small answers are made on the event loop."""
    import numpy  # noqa: F401


def resolved(endianness: Endianness) -> Literal["big", "little"]:
    """Return the byte order; ``native`` is the server's own, which a client cannot know."""
    return sys.byteorder if endianness == "native" else endianness


def base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def bits(data: bytes, *, signed: bool) -> list[int]:
    """Return the signs of a vector (1 from 0 on), eight to a number, the first the highest; less 128 where
    ``signed``.
    """
    import numpy as np

    packed = np.packbits(np.frombuffer(data, "<f4") >= 0)
    numbers: list[int] = (packed.astype(np.int16) - 128 if signed else packed).tolist()
    return numbers


def _float32(values: Array) -> Array:
    return values


def _float16(values: Array) -> Array:
    import numpy as np

    with np.errstate(over="ignore"):
        return values.astype("<f2")


def _bfloat16(values: Array) -> Array:
    """Return the upper half of a float32. Adding just under half of the last place, or half where that is odd,
    rounds.
    """
    import numpy as np

    bits = values.view("<u4")
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where((bits & MAGNITUDE) > INFINITY, 0x7FC0, rounded).astype("<u2")


def _fp8_e4m3(values: Array) -> Array:
    """Return the variant without infinities: what is too large becomes the largest, 448, as torch has it since 2.13."""
    import numpy as np

    return _minifloat(values, 3, 7, np.uint32(0x7E), np.uint32(0x7F))


def _fp8_e5m2(values: Array) -> Array:
    import numpy as np

    return _minifloat(values, 2, 15, np.uint32(0x7C), np.uint32(0x7F))


def _minifloat(values: Array, mantissa: int, bias: int, over: np.uint32, nan: np.uint32) -> Array:
    """Eight bits: sign, exponent, ``mantissa``. ``over`` stands for all that is too large, ``nan`` for NaN.

    Formats: "FP8 Formats for Deep Learning" (Micikevicius et al., 2022), tables 1 and 2.
    """
    import numpy as np

    bits = values.view("<u4")
    magnitude, shift = bits & np.uint32(MAGNITUDE), np.uint32(23 - mantissa)
    rebias = np.uint32((127 - bias) << 23)
    normal = magnitude - rebias
    half = np.uint32((1 << (23 - mantissa - 1)) - 1)
    normal = (normal + half + ((normal >> shift) & np.uint32(1))) >> shift
    with np.errstate(over="ignore", invalid="ignore"):  # the units of subnormals; of the others nobody looks at it
        units = np.abs(values) * np.float32(2.0 ** (bias - 1 + mantissa))
        tiny = np.rint(np.where(units < 1 << mantissa, units, 0)).astype(np.uint32)
    small = magnitude < rebias + np.uint32(1 << 23)
    code = np.where(small, tiny, np.minimum(normal, over))
    code = np.where(magnitude > np.uint32(INFINITY), nan, code)
    coded: Array = (code | ((bits & np.uint32(SIGN)) >> np.uint32(24))).astype(np.uint8)
    return coded


CASTS: dict[EmbedDtype, Callable[[Any], Any]] = {
    "float32": _float32,
    "float16": _float16,
    "bfloat16": _bfloat16,
    "fp8_e4m3": _fp8_e4m3,
    "fp8_e5m2": _fp8_e5m2,
}
