"""The compiled kernels as functions of Python; ctypes lets go of the interpreter's lock while one runs."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from . import build

P, I, L, F = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_float  # noqa: E741

# The C interface, by the module that calls it; all functions return nothing unless named in RESULTS.
SIGNATURES: dict[str, list[type]] = {
    "fc_set_threads": [I],
    "fc_set_waiting": [L, L],
    "fc_convert": [P, I, P, I, L],
    "fc_large_pages": [P, L],
    "fc_linear": [P, P, L, L, P, P, I],
    "fc_pack": [I, P, L, L, L, P],
    "fc_unpack_rows": [P, P, L, P],
    "fc_notes_bytes": [L, L],
    "fc_find_codes": [P, L, L, L, P],
    "fc_squeeze": [P, L, L, L, P, P],
    "fc_linear_quantized": [P, I, P, L, L, P, P, I],
    "fc_pack_int8": [P, L, L, L, P],
    "fc_pack_int4": [P, P, P, L, L, L, P, P],
    "fc_rows_int8": [P, P, L, I, P],
    "fc_attention": [P, P, P, L, L, P, L],
    "fc_write_kv": [P, L, P, L, L, P, L, L, P, L],
    "fc_rotary_write_kv": [P, L, P, L, L, L, P, L, L, P, L, L, P, L, L, I, P, L],
    "fc_write_latent": [P, P, L, P, L],
    "fc_rms_norm": [P, I, P, P, P, I, F, I, P],
    "fc_layer_norm": [P, I, P, P, P, P, I, F, P],
    "fc_rotary": [I, P, L, L, L, L, P, L, L, I],
    "fc_draw": [P, L, L, L, P, P, P, P, P],
    "fc_top": [P, L, L, L, L, P, P, P],
    "fc_experts": [I, P, L, L, L, P, L, L, P, P, L, I, P],
    "fc_causal_conv": [P, I, P, L, P, P, I, P],
    "fc_selective_scan": [P, I, P, P],
    "fc_gated": [I, I, P, L, L, L, P],
    "fc_activation": [I, I, P, L],
}
RESULTS: dict[str, type] = {"fc_notes_bytes": L, "fc_find_codes": I}


class Weight(ctypes.Structure):
    """``fc::Weight``."""

    _fields_ = [
        ("panels", ctypes.c_void_p),
        ("outputs", ctypes.c_int64),
        ("inputs", ctypes.c_int64),
        ("type", ctypes.c_int32),
        ("group", ctypes.c_int32),
        ("scales", ctypes.c_void_p),
    ]


class Library(Protocol):
    """The functions of SIGNATURES, or what stands in for them while a step is recorded."""

    def __getattr__(self, name: str) -> Any: ...


def load(path: Path) -> ctypes.CDLL:
    """Raise OSError if the file is no library, AttributeError where it lacks a function."""
    library = ctypes.CDLL(str(path))
    for name, arguments in SIGNATURES.items():
        function = getattr(library, name)
        function.argtypes = arguments
        function.restype = RESULTS.get(name)
    return library


@lru_cache(maxsize=1)
def kernels() -> ctypes.CDLL:
    """Return the kernels of this machine, compiled if need be. Raises BackendUnavailable."""
    return load(build.library())
