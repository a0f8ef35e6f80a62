"""The compiled kernels as functions of Python; ctypes lets go of the interpreter's lock while one runs."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path

from . import build

P, I, L, F = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_float

# The C interface, by the module that calls it; all functions return nothing unless named in RESULTS.
SIGNATURES: dict[str, list[type]] = {
    "fc_set_threads": [I],
    "fc_set_waiting": [L, L],
    "fc_convert": [P, I, P, I, L],
    "fc_large_pages": [P, L],
}
RESULTS: dict[str, type] = {}


def load(path: Path) -> ctypes.CDLL:
    """Raises OSError where the file is no library, AttributeError where it lacks a function."""
    library = ctypes.CDLL(str(path))
    for name, arguments in SIGNATURES.items():
        function = getattr(library, name)
        function.argtypes = arguments
        function.restype = RESULTS.get(name)
    return library


@lru_cache(maxsize=1)
def kernels() -> ctypes.CDLL:
    """The kernels of this machine, compiled if need be. Raises BackendUnavailable."""
    return load(build.library())
