"""Size and memory of the KV cache; pages that change hands are cleared."""

from __future__ import annotations

import ctypes
import logging
import mmap
import threading
from pathlib import Path

import torch
from torch import Tensor

from frameworkctl.errors import ConfigError
from frameworkctl.scheduling.cache.groups import PoolLayout
from frameworkctl.scheduling.plan import StepPlan

log = logging.getLogger("frameworkctl.engine")

DEFAULT_SEQUENCES = 32  # full-length sequences that the default cache holds
DEFAULT_SHARE = 0.25  # of the memory that is free when the engine starts
DEFAULT_MOST = 4 << 30
_MADV_HUGEPAGE, _MADV_POPULATE_WRITE = 14, 23


def trim() -> None:
    """Give back to the system what loading took and freed: the C library keeps it, 100 MB and more."""
    trim_heap = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim_heap is not None:
        trim_heap(0)


def available_memory() -> int:
    """Return bytes that a process can still get: the kernel's estimate, or the control group's limit where that is
    lower.
    """
    free = 1 << 62
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        if limit != "max":
            free = min(free, int(limit) - used)
    except (OSError, ValueError):
        pass
    return max(free, 0)


def count_pages(
    layout: PoolLayout, *, max_model_len: int, chunk: int, kv_bytes: int | None, pages: int | None, engines: int
) -> int:
    """Pages of the pool, the null page included.

    ``pages`` or ``kv_bytes`` when given; else enough for some full-length sequences within a share of free memory.

    Raises:
        ConfigError: not even one sequence of ``max_model_len`` fits; names the longest that does.
    """
    one = layout.max_pages(max_model_len, chunk)
    if layout.bytes_per_page == 0:
        return 2
    if pages is not None:
        count = pages + 1
    elif kv_bytes is not None:
        count = kv_bytes // layout.bytes_per_page + 1
    else:
        room = min(int(available_memory() * DEFAULT_SHARE) // engines, DEFAULT_MOST) // layout.bytes_per_page
        count = max(one, min(one * DEFAULT_SEQUENCES, room)) + 1
    if count - 1 < one:
        fits = max_model_len
        while fits > 0 and layout.max_pages(fits, chunk) > count - 1:
            fits -= max(1, layout.alignment)
        raise ConfigError(
            f"a sequence of max_model_len={max_model_len} needs {one} KV pages, there are {count - 1}:"
            f" enlarge --kv-cache-memory-bytes or use --max-model-len {max(fits, 0)}"
        )
    return count


def allocate(layout: PoolLayout, pages: int, device: torch.device) -> Tensor:
    """Zeros ``[layers of the largest group, pages, page_bytes]`` uint8.

    On a CPU the memory is asked for at once, in the background and in large pages where there are: a cache that is
    promised and not there would show in the middle of a request.
    """
    shape = (layout.tensors, pages, layout.page_bytes)
    size = layout.tensors * pages * layout.page_bytes
    if device.type != "cpu" or size == 0:
        return torch.zeros(shape, dtype=torch.uint8, device=device)
    area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pool = torch.frombuffer(area, dtype=torch.uint8).view(shape)
    threading.Thread(target=_populate, args=(pool,), daemon=True, name="kv-populate").start()
    return pool


def clear_new_pages(pool: Tensor, plan: StepPlan) -> None:
    """Zero the pages of ``pool`` (int64, pages along its second axis) that are new to a sequence.

    Kernels read whole pages and mask what is not there, and a masked NaN is still one: without this, a request that
    overflowed could spoil those that get its pages next.
    """
    pages = [p for more in plan.pages for table in more.tables for p in table]
    for new in plan.new:
        pages += [p for table, kept in zip(new.tables, new.kept, strict=True) for p in table[kept:]]
    if pages and pool.numel():
        pool.index_fill_(1, torch.tensor(pages, device=pool.device), 0)


def _populate(pool: Tensor) -> None:
    """Have the kernel back the pages now; it changes no content, so the engine may already be writing."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    libc.madvise(pool.data_ptr(), pool.numel(), _MADV_HUGEPAGE)
    if libc.madvise(pool.data_ptr(), pool.numel(), _MADV_POPULATE_WRITE) != 0:
        log.debug("the KV cache is backed on first use: madvise: errno %d", ctypes.get_errno())
