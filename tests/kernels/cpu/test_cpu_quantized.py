"""Linear layers over weights of 8 and 4 bits, against float64 products of the dequantised weights."""

from __future__ import annotations

import pytest
import torch
from frameworkctl_kernels.cpu.compile.library import kernels
from frameworkctl_kernels.cpu.linear import CompiledLinear
from frameworkctl_kernels.cpu.quantized import QuantizedWeight
from frameworkctl_kernels.protocol import BackendUnavailable
from frameworkctl_kernels.reference.backend import ReferenceBackend
from frameworkctl_kernels.reference.quantized import FORMATS, GROUP, quantize

ROWS = (1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 32, 50)
SHAPES = [(32, 16), (1, 7), (100, 33), (1152, 896), (48, 2048), (200, 300)]
HALF = {torch.float32: 1e-4, torch.bfloat16: 8e-3, torch.float16: 1e-3}  # rounding of the result


@pytest.fixture(scope="module")
def ops() -> CompiledLinear:
    try:
        kernels().fc_set_threads(2)
    except BackendUnavailable as e:
        pytest.skip(str(e))
    return CompiledLinear()


@pytest.mark.parametrize("shape", [(7, 33), (64, 320)], ids=str)
def test_int8_is_within_half_a_level_of_each_row(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    weight = torch.randn(shape) * torch.rand(shape[0], 1)
    off = (quantize(weight, "int8").dequantized() - weight).abs()
    assert (off <= weight.abs().amax(1, keepdim=True) / 127 / 2 * 1.001).all()


@pytest.mark.parametrize("shape", [(7, 33), (64, 320)], ids=str)
def test_int4_is_within_half_a_level_of_each_group(shape: tuple[int, int]) -> None:
    """And a little for scales and offsets in half precision."""
    torch.manual_seed(0)
    weight = torch.randn(shape) + 0.5
    off = (quantize(weight, "int4").dequantized() - weight).abs()
    for start in range(0, shape[1], GROUP):
        group = weight[:, start : start + GROUP]
        level = (group.amax(1) - group.amin(1)) / 15
        slack = 2**-10 * group.abs().amax(1)
        assert (off[:, start : start + GROUP] <= (level / 2 + slack)[:, None]).all()


@pytest.mark.parametrize("fmt", FORMATS)
def test_zeros_and_constants(fmt: str) -> None:
    weight = torch.zeros(3, 70)
    weight[1] = 0.25
    assert (quantize(weight, fmt).dequantized() - weight).abs().max() < 1e-3


@pytest.mark.parametrize("dtype", list(HALF), ids=str)
@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_linear(ops: CompiledLinear, shape: tuple[int, int], fmt: str, dtype: torch.dtype) -> None:
    """Activations become 16-bit integers by blocks: what that costs is next to nothing, also beside large values."""
    torch.manual_seed(0)
    weight, bias = torch.randn(shape).to(dtype), torch.randn(shape[0]).to(dtype)
    packed = ops.pack(weight, fmt)
    assert isinstance(packed, QuantizedWeight)
    assert packed.shape == shape
    wide = quantize(weight, fmt).dequantized().double()
    for rows in ROWS:
        x = torch.randn(rows, shape[1]).to(dtype)
        x[:, 0] *= 30
        want = x.double() @ wide.T + bias.double()
        out = torch.empty(rows, shape[0])
        assert ops.linear(x, packed, bias, out) is out
        assert (out.double() - want).abs().max() <= 3e-4 * want.abs().max()
        got = ops.linear(x, packed, bias)
        assert got.dtype == dtype
        assert (got.double() - want).abs().max() <= (3e-4 + HALF[dtype]) * want.abs().max()
        alone = torch.cat([ops.linear(x[i : i + 1], packed, bias) for i in range(rows)])
        assert torch.equal(alone, got)


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_reference_rounds_alike(ops: CompiledLinear, fmt: str) -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(64, 96), torch.randn(5, 96)
    plain = ReferenceBackend("cpu")
    want = plain.linear(x, plain.pack(weight, fmt))
    torch.testing.assert_close(ops.linear(x, ops.pack(weight, fmt)), want, atol=1e-3, rtol=1e-3)
    with pytest.raises(ValueError, match="int3"):
        plain.pack(weight, "int3")


def test_rows_come_back_dequantised(ops: CompiledLinear) -> None:
    torch.manual_seed(0)
    weight, ids = torch.randn(100, 33), torch.tensor([[0, 99], [64, 5]])
    packed = ops.pack(weight, "int8", lookup=True)
    torch.testing.assert_close(ops.lookup(packed, ids), quantize(weight, "int8").dequantized()[ids])


def test_more_axes_and_rows_that_are_apart(ops: CompiledLinear) -> None:
    torch.manual_seed(0)
    weight = torch.randn(40, 64)
    packed = ops.pack(weight, "int8")
    base = torch.randn(2, 3, 100)
    flat = base[..., 10:74].reshape(6, 64)
    assert torch.equal(ops.linear(base[..., 10:74], packed).view(6, 40), ops.linear(flat, packed))
    assert torch.equal(ops.linear(base[0, :, 10:74], packed), ops.linear(flat, packed)[:3])
    assert ops.linear(torch.empty(0, 64), packed).shape == (0, 40)
    with pytest.raises(ValueError, match="cannot take"):
        ops.linear(torch.empty(2, 63), packed)
