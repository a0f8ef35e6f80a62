"""Uniform numbers without generator state: a hash of (seed, output index, draw).

Preemption, restart and the order of the batch therefore cannot change what a seeded request draws.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the finalizer of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def uniform(seeds: NDArray[np.int64], index: NDArray[np.int64], draw: int = 0) -> NDArray[np.float64]:
    """Return one number in [0, 1) per seed and output index, 53 random bits each."""
    with np.errstate(over="ignore"):
        key = _mix(seeds.astype(np.uint64) + _GOLDEN)
        counter = index.astype(np.uint64) * _GOLDEN + np.uint64(draw) * np.uint64(0xD1342543DE82EF95)
        bits = _mix(_mix(key ^ counter) + key)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
