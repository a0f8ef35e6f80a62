"""Compiled linear layers against float64, in every type, at sizes and row counts that take every path."""

from __future__ import annotations

import pytest
import torch
from frameworkctl_kernels.cpu.compile.library import kernels
from frameworkctl_kernels.cpu.linear import CompiledLinear, PackedWeight
from frameworkctl_kernels.cpu.memory import Arena
from frameworkctl_kernels.protocol import BackendUnavailable

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 8e-3, torch.float16: 1e-3}  # of the largest value
ROWS = (1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 32, 50)


@pytest.fixture(scope="module")
def ops() -> CompiledLinear:
    try:
        kernels().fc_set_threads(2)
    except BackendUnavailable as e:
        pytest.skip(str(e))
    return CompiledLinear()


class CountedArena(Arena):
    """Knows how many bytes were taken."""

    taken = 0

    def take(self, size: int) -> torch.Tensor:
        self.taken += size
        return super().take(size)


def close(got: torch.Tensor, want: torch.Tensor, tolerance: float) -> None:
    assert got.shape == want.shape
    assert (got.double() - want).abs().max() <= tolerance * want.abs().max()


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize("shape", [(32, 16), (1, 7), (100, 33), (1152, 896), (48, 2048)], ids=str)
def test_linear(ops: CompiledLinear, shape: tuple[int, int], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(shape).to(dtype), torch.randn(shape[0]).to(dtype)
    packed = ops.pack(weight)
    assert isinstance(packed, PackedWeight)
    assert packed.shape == shape
    for rows in ROWS:
        x = torch.randn(rows, shape[1]).to(dtype)
        product = x.double() @ weight.double().T
        close(ops.linear(x, packed), product, TOLERANCE[dtype])
        got = ops.linear(x, packed, bias)
        assert got.dtype == dtype
        close(got, product + bias.double(), TOLERANCE[dtype])
        wide = torch.empty(rows, shape[0])
        assert ops.linear(x, packed, bias, wide) is wide
        close(wide, product + bias.double(), 1e-5)


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
def test_a_rows_result_does_not_depend_on_the_other_rows(ops: CompiledLinear, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    packed = ops.pack(torch.randn(200, 321).to(dtype))
    x = torch.randn(700, 321).to(dtype)
    whole = ops.linear(x, packed)
    for rows in (*ROWS, 300):
        assert torch.equal(ops.linear(x[5 : 5 + rows], packed), whole[5 : 5 + rows])


def test_rows_that_are_apart_and_more_axes(ops: CompiledLinear) -> None:
    torch.manual_seed(0)
    weight = torch.randn(70, 40)
    packed = ops.pack(weight)
    base = torch.randn(9, 100)
    close(ops.linear(base[:, 30:70], packed), base[:, 30:70].double() @ weight.double().T, 1e-5)
    close(ops.linear(base.T[:40].T, packed), base[:, :40].double() @ weight.double().T, 1e-5)
    turned = torch.randn(40, 9).T
    close(ops.linear(turned, packed), turned.double() @ weight.double().T, 1e-5)
    deep = torch.randn(2, 3, 40)
    close(ops.linear(deep, packed), deep.double() @ weight.double().T, 1e-5)
    assert ops.linear(torch.empty(0, 40), packed).shape == (0, 70)


def test_a_transposed_weight(ops: CompiledLinear) -> None:
    weight = torch.randn(40, 70).T
    x = torch.randn(3, 40)
    close(ops.linear(x, ops.pack(weight)), x.double() @ weight.double().T, 1e-5)


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
def test_rows_come_back_as_they_were(ops: CompiledLinear, dtype: torch.dtype) -> None:
    weight = torch.randn(100, 33).to(dtype)
    ids = torch.tensor([[0, 99, 31], [32, 64, 5]])
    packed = ops.pack(weight)
    assert isinstance(packed, PackedWeight)
    assert torch.equal(packed.rows(ops.kernels, ids), weight[ids])


@pytest.mark.parametrize("wrong", [torch.empty(2, 9), torch.empty(2, 8, dtype=torch.float16)], ids=["size", "type"])
def test_what_does_not_fit_is_refused(ops: CompiledLinear, wrong: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="cannot take"):
        ops.linear(wrong, ops.pack(torch.empty(4, 8)))


def stray(weight: torch.Tensor) -> torch.Tensor:
    """With zeros, what is smaller than normal, and a few values far from all others."""
    weight[3, 5:9] = torch.tensor([0.0, -0.0, 1e-40, -3e-39])
    weight[4, 1:6] = torch.tensor([1e30, -1e-30, 3e-20, float("inf"), float("nan")])
    weight[-1, -1] = -1e25
    return weight


@pytest.mark.parametrize("shape", [(64, 700), (95, 1301), (1152, 896)], ids=str)
def test_bfloat16_takes_twelve_bits_and_nothing_is_lost(ops: CompiledLinear, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    weight = stray(torch.randn(shape) * (torch.rand(shape[0], 1) + 0.5) * 8).bfloat16()
    arena = CountedArena()
    packed = PackedWeight(weight, arena)
    assert 12 <= 8 * arena.taken / weight.numel() < 13
    ids = torch.arange(shape[0])
    assert torch.equal(packed.rows(ops.kernels, ids).view(torch.int16), weight.view(torch.int16))


@pytest.mark.parametrize("rows", ROWS)
def test_what_has_no_code_is_multiplied_too(ops: CompiledLinear, rows: int) -> None:
    torch.manual_seed(0)
    weight = stray(torch.randn(77, 1301)).bfloat16()
    weight[4, 4:6] = 1.0  # neither inf nor nan, which would hide the rest
    x = torch.randn(rows, 1301).bfloat16()
    x[:, weight.abs().amax(0) > 1e20] *= 1e-25
    out = torch.empty(rows, 77)
    close(ops.linear(x, ops.pack(weight), None, out), x.double() @ weight.double().T, 1e-5)


def test_weights_with_many_exponents_stay_as_they_are(ops: CompiledLinear) -> None:
    torch.manual_seed(0)
    weight = (torch.randn(64, 100) * torch.exp2(torch.randint(-40, 0, (64, 100)))).bfloat16()
    arena = CountedArena()
    packed = PackedWeight(weight, arena)
    assert 8 * arena.taken / weight.numel() == 16
    x = torch.randn(9, 100).bfloat16()
    close(ops.linear(x, packed), x.double() @ weight.double().T, TOLERANCE[torch.bfloat16])


def test_other_types_stay_plain(ops: CompiledLinear) -> None:
    weight, x = torch.randn(5, 8, dtype=torch.float64), torch.randn(2, 8, dtype=torch.float64)
    assert torch.equal(ops.linear(x, ops.pack(weight)), x @ weight.T)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads(ops: CompiledLinear, threads: int) -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(1000, 500), torch.randn(40, 500)
    packed = ops.pack(weight)
    kernels().fc_set_threads(threads)
    try:
        for _ in range(50):
            close(ops.linear(x, packed), x.double() @ weight.double().T, 1e-5)
    finally:
        kernels().fc_set_threads(2)
