"""Steps that are recorded once and run again without the Python of the model: on a CPU, what a graph is on a GPU.

While a function runs, calls of the kernels and operations of torch are written down. Its temporaries come from an
arena, so that they stand at the same addresses when the list is gone through again; a part of the arena is free again
as soon as the tensor in it is, as with any allocator.
"""

from __future__ import annotations

import bisect
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from frameworkctl_kernels.cpu.compile.library import Library

ARENA = 64 * 2**20  # bytes of address space; memory is taken when a page is first written
ALIGN = 64
# What is passed to these is the same in every step, or stands at an address that stays.
REPEATABLE = frozenset(
    {
        "fc_linear",
        "fc_linear_quantized",
        "fc_unpack_rows",
        "fc_rows_int8",
        "fc_attention",
        "fc_write_kv",
        "fc_rotary_write_kv",
        "fc_write_latent",
        "fc_rms_norm",
        "fc_layer_norm",
        "fc_rotary",
        "fc_gated",
        "fc_activation",
        "fc_experts",
    }
)
DEPENDS_ON_VALUES = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
UNINITIALISED = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"})

Call = tuple[Callable[..., object], tuple[Any, ...]]


class CannotCapture(Exception):
    """The function does something that cannot be repeated from a list."""


class CaptureArena:
    """Memory of recorded steps. They share it: one runs at a time, and what it returns is read before the next."""

    def __init__(self, size: int = ARENA) -> None:
        memory = np.empty(size + ALIGN, dtype=np.uint8)
        skip = -memory.ctypes.data % ALIGN
        self._memory = memory[skip : skip + size]
        self._start, self._end = self._memory.ctypes.data, self._memory.ctypes.data + size
        self._used: list[tuple[int, int]] = []  # (first, end), ascending

    def like(self, x: Tensor) -> Tensor:
        """Return an uninitialised tensor of the size, strides and type of ``x``. Raises CannotCapture when the
        arena is full.
        """
        extent = 1 + sum((n - 1) * stride for n, stride in zip(x.shape, x.stride(), strict=True))
        size = -(-max(1, extent) * x.element_size() // ALIGN) * ALIGN
        at = 0
        for first, end in self._used:
            if first - at >= size:
                break
            at = end
        if at + size > len(self._memory):
            raise CannotCapture(f"temporaries take more than {len(self._memory)} bytes")
        block = self._memory[at : at + size]
        bisect.insort(self._used, (at, at + size))
        weakref.finalize(block, self._used.remove, (at, at + size))
        return torch.from_numpy(block).view(x.dtype).as_strided(x.shape, x.stride())

    def alias(self, x: Tensor) -> Tensor:
        """Return ``x`` itself where it lies elsewhere; else the same elements by a tensor that does not hold the
        memory.
        """
        at = x.data_ptr()
        if not self._start <= at < self._end:
            return x
        return torch.from_numpy(self._memory[at - self._start :]).view(x.dtype).as_strided(x.shape, x.stride())


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down what is done while it is on."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # torch would import its compiler, for seconds, to say that it is not to be used here

    def __init__(self, kernels: Library, arena: CaptureArena) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []
        self._kernels, self._arena = kernels, arena

    def kernel(self, name: str) -> Callable[..., object]:
        """Return the kernel of that name, which from now on is written down when it is called."""
        function: Callable[..., object] = getattr(self._kernels, name)

        def call(*args: Any) -> object:
            if name not in REPEATABLE:
                raise CannotCapture(f"{name} is told what only this step is about")
            self.calls.append((function, args))
            return function(*args)

        return call

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not DEPENDS_ON_VALUES.isdisjoint(func.tags):
            raise CannotCapture(f"what {func} gives depends on values")
        result = func(*args, **kwargs)
        if func.overloadpacket.__name__ in UNINITIALISED:
            return self._arena.like(result)
        outputs = [result] if isinstance(result, Tensor) else list(result) if isinstance(result, tuple | list) else None
        if outputs is None or not all(isinstance(x, Tensor) for x in outputs):
            raise CannotCapture(f"{func} gives no tensors")
        given = {_place(x) for x in _tensors((*args, *kwargs.values()))}
        again = self._weak(args), {name: self._weak((value,))[0] for name, value in kwargs.items()}
        if all(_place(x) in given for x in outputs):
            if func._schema.is_mutable:
                self.calls.append((_repeat, (func, *again)))
            return result  # else a view: nothing to do
        made = [self._arena.like(x).copy_(x) for x in outputs]
        self.calls.append((_repeat_into, (func, *again, [self._arena.alias(x) for x in made])))
        return made[0] if isinstance(result, Tensor) else type(result)(made)

    def _weak(self, args: Sequence[Any]) -> tuple[Any, ...]:
        """Return ``args`` with tensors that do not keep the arena's memory from being used again."""
        return tuple(
            self._arena.alias(a)
            if isinstance(a, Tensor)
            else type(a)(self._weak(a))
            if isinstance(a, list | tuple)
            else a
            for a in args
        )


class KernelTape:
    """Stands in for the library while a step is recorded."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __getattr__(self, name: str) -> Callable[..., object]:
        return self._recorder.kernel(name)


class Recording:
    """``calls`` in order; the result stands at ``out``. ``kept`` are what the calls were told the addresses of."""

    def __init__(self, calls: list[Call], out: Tensor, kept: Sequence[object]) -> None:
        self.calls, self._out, self._kept = calls, out, kept

    def __call__(self) -> Tensor:
        for function, args in self.calls:
            function(*args)
        return self._out


def _repeat(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    func(*args, **kwargs)


def _repeat_into(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: list[Tensor]) -> None:
    result = func(*args, **kwargs)
    for to, x in zip(outputs, [result] if isinstance(result, Tensor) else result, strict=True):
        to.copy_(x)


def _tensors(args: Sequence[Any]) -> list[Tensor]:
    found = []
    for a in args:
        if isinstance(a, Tensor):
            found.append(a)
        elif isinstance(a, list | tuple):
            found += _tensors(a)
    return found


def _place(x: Tensor) -> int:
    return x.untyped_storage().data_ptr()
