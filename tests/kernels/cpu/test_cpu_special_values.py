"""What kernels make of infinities, NaN, negative zero and numbers too small or too large for a type."""

from __future__ import annotations

import pytest
import torch
from frameworkctl_kernels.cpu.backend import CpuBackend
from support.engine.cpu_backend import cpu_backend
from torch import Tensor

TYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}
HALF = [torch.bfloat16, torch.float16]
NONE, ENDLESS = float("nan"), float("inf")


def convert(x: Tensor, dtype: torch.dtype) -> Tensor:
    out = torch.empty(x.shape, dtype=dtype)
    cpu_backend(1).kernels.fc_convert(x.data_ptr(), TYPES[x.dtype], out.data_ptr(), TYPES[dtype], x.numel())
    return out


def same(got: Tensor, right: Tensor) -> None:
    """Also in the sign of zero."""
    torch.testing.assert_close(got, right, rtol=0, atol=0, equal_nan=True)
    zeros = right == 0
    assert torch.equal(got[zeros].signbit(), right[zeros].signbit())


@pytest.mark.parametrize("dtype", HALF, ids=str)
def test_every_number_of_a_half_type_there_and_back(dtype: torch.dtype) -> None:
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
    wide = convert(every, torch.float32)
    same(wide, every.float())
    same(convert(wide, dtype), every)


@pytest.mark.parametrize("dtype", HALF, ids=str)
@pytest.mark.parametrize("count", [200_003, 7])
def test_any_float32_is_rounded_as_torch_does(dtype: torch.dtype, count: int) -> None:
    """Ties, denormal numbers and what becomes infinite among them; by the vector, and one by one in the rest."""
    torch.manual_seed(0)
    bits = torch.randint(-(2**31), 2**31, (count,), dtype=torch.int64)
    bits[::3] = bits[::3] // 2**16 * 2**16 + 2**15
    bits[:7] = torch.tensor([0x7F7FFFFF, -0x800001, 0x7F800000, 0x7F800001, 0x1, -0x7FFFFFFF, -0x80000000])
    x = bits.to(torch.int32).view(torch.float32)
    same(convert(x, dtype), x.to(dtype))


def backend_and_rows(dtype: torch.dtype) -> tuple[CpuBackend, Tensor, Tensor]:
    torch.manual_seed(0)
    return cpu_backend(1), torch.randn(70, 150).to(dtype), torch.randn(14, 150).to(dtype)


@pytest.mark.parametrize("dtype", list(TYPES), ids=str)
@pytest.mark.parametrize("fmt", ["plain", "int8", "int4"])
@pytest.mark.parametrize("bad", [NONE, ENDLESS, -ENDLESS], ids=str)
def test_a_row_that_is_no_number_shows_and_spoils_no_other(bad: float, fmt: str, dtype: torch.dtype) -> None:
    backend, weight, x = backend_and_rows(dtype)
    packed = backend.pack(weight, fmt)
    for rows in (1, 4, 14):
        right = backend.linear(x[:rows], packed)
        for at in (0, 77, 149):
            spoiled = x[:rows].clone()
            spoiled[rows // 2, at] = bad
            got = backend.linear(spoiled, packed)
            assert not got[rows // 2].isfinite().any()
            others = torch.arange(rows) != rows // 2
            assert torch.equal(got[others], right[others])


@pytest.mark.parametrize("fmt", ["plain", "int8", "int4"])
def test_activations_too_small_for_a_scale(fmt: str) -> None:
    backend, weight, x = backend_and_rows(torch.float32)
    packed = backend.pack(weight, fmt)
    for tiny in (1e-45, 1e-38, 1e-34):
        got = backend.linear(x * tiny, packed)
        assert (got.abs() <= 1e3 * max(tiny, 1e-30)).all()


def test_weights_of_every_kind_come_back_bit_by_bit() -> None:
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(256, 256)
    backend = cpu_backend(1)
    for rows in (every, every[:33, :77].contiguous(), torch.full_like(every, -(2**15))):
        weight = rows.view(torch.bfloat16)
        found = backend.lookup(backend.pack(weight), torch.arange(len(weight)))
        assert torch.equal(found.view(torch.int16), rows)
