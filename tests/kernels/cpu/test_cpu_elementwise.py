"""Norms, rotary embedding and activations of the CPU backend against their formulas in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from frameworkctl_kernels.reference.backend import ReferenceBackend
from support.engine.cpu_backend import TOLERANCES, cpu_backend
from torch import Tensor

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
ROWS = [(1, 896), (3, 5, 64), (7, 37), (2, 3, 4, 19), (300, 129)]


def norm64(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    wide = x.double()
    return wide / torch.sqrt(wide.pow(2).mean(-1, keepdim=True) + eps) * weight.double()


def close(got: Tensor, right: Tensor, times: float = 1.0) -> None:
    tolerance = TOLERANCES[got.dtype] * times
    torch.testing.assert_close(got.double(), right, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rms_norm(dtype: torch.dtype, late: bool, threads: int) -> None:
    backend = cpu_backend(threads)
    for shape in ROWS:
        torch.manual_seed(0)
        x, residual = torch.randn(shape).to(dtype), torch.randn(shape).to(dtype)
        weight = torch.randn(shape[-1]).to(torch.float32 if late else dtype)
        close(backend.rms_norm(x, weight, 1e-5, late_cast=late), norm64(x, weight, 1e-5))
        total = (x + residual).clone()
        normed, stream = backend.add_rms_norm(x, residual, weight, 1e-5, late_cast=late)
        assert torch.equal(stream, total)
        close(normed, norm64(total, weight, 1e-5))


@pytest.mark.parametrize("dtype", DTYPES)
def test_norms_of_some_heads_of_a_larger_tensor(dtype: torch.dtype) -> None:
    backend = cpu_backend(1)
    heads = torch.randn(6, 9, 32).to(dtype)
    some, weight, bias = heads[:, 2:7], torch.randn(5, 32), torch.randn(5, 32)
    close(backend.rms_norm(some, weight[0].to(dtype), 1e-6), norm64(some, weight[0].to(dtype), 1e-6))
    right = F.layer_norm(some.double(), (32,), eps=1e-5) * weight.double() + bias.double()
    close(backend.layer_norm(some, weight, bias, 1e-5), right)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("weighted", "biased"), [(True, True), (True, False), (False, False)])
def test_layer_norm(dtype: torch.dtype, weighted: bool, biased: bool) -> None:
    backend = cpu_backend(2)
    for shape in ROWS:
        torch.manual_seed(0)
        x = (torch.randn(shape) * 3 + 1).to(dtype)
        weight = torch.randn(shape[-1]) if weighted else None
        bias = torch.randn(shape[-1]) if biased else None
        wide = [None if t is None else t.double() for t in (weight, bias)]
        close(backend.layer_norm(x, weight, bias, 1e-5), F.layer_norm(x.double(), shape[-1:], *wide, eps=1e-5))


@pytest.mark.parametrize("dtype", DTYPES)
def test_add_layer_norm(dtype: torch.dtype) -> None:
    backend = cpu_backend(2)
    for shape in ROWS:
        torch.manual_seed(0)
        x, residual = torch.randn(shape).to(dtype), torch.randn(shape).to(dtype)
        weight, bias = torch.randn(shape[-1]), torch.randn(shape[-1])
        total = x + residual
        right = F.layer_norm(total.double(), shape[-1:], weight.double(), bias.double(), eps=1e-5)
        normed, stream = backend.add_layer_norm(x, residual.clone(), weight, bias, 1e-5)
        assert torch.equal(stream, total)
        close(normed, right)
        apart = torch.randn(shape[-1], *shape[:-1]).to(dtype).movedim(0, -1)  # a residual that is not dense
        total = x + apart
        normed, stream = backend.add_layer_norm(x, apart, None, None, 1e-5)
        assert torch.equal(stream, total)
        close(normed, F.layer_norm(total.double(), shape[-1:], eps=1e-5))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize(("dim", "rotated"), [(64, 64), (80, 32), (10, 6), (256, 256)])
def test_rotary(dtype: torch.dtype, interleaved: bool, dim: int, rotated: int) -> None:
    torch.manual_seed(0)
    whole = torch.randn(70, 9, dim).to(dtype)
    angles = torch.randn(70, rotated // 2)
    table = torch.cat([angles.cos(), angles.sin()], dim=-1).to(dtype)
    right = whole.double()
    ReferenceBackend("cpu").rotary(right[:, :7], table.double(), interleaved=interleaved)
    cpu_backend(2).rotary(whole[:, :7], table, interleaved=interleaved)
    close(whole, right)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["silu", "gelu", "gelu_tanh", "relu", "relu2", "swiglu_oai"])
def test_gated_activation(dtype: torch.dtype, kind: str) -> None:
    backend, reference = cpu_backend(2), ReferenceBackend("cpu")
    for shape in [(1, 2 * 4864), (5, 2 * 13), (2, 3, 2 * 24), (100, 2 * 512)]:
        torch.manual_seed(0)
        x = (torch.randn(shape) * 4).to(dtype)
        x[..., 0] = 60.0  # far out on both sides
        x[..., 1] = -60.0
        right = reference.gated_activation(x.double(), kind)
        close(backend.gated_activation(x, kind), right, 3.0)


PLAIN = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "relu2": lambda x: F.relu(x).square(),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", PLAIN)
def test_activation(dtype: torch.dtype, kind: str) -> None:
    """Also of rows that several threads share, and of rows that do not stand back to back."""
    backend = cpu_backend(2)
    for x in (torch.randn(1, 4864), torch.randn(5, 13), torch.randn(2, 3, 24), torch.randn(100, 512), torch.randn(7)):
        x = (x * 4).to(dtype)
        x[..., 0], x[..., 1] = 60.0, -60.0  # far out on both sides
        right = PLAIN[kind](x.double())
        for given in (x.clone(), torch.stack([x, x], dim=-1)[..., 0]):
            got = backend.activation(given, kind)
            assert got.shape == x.shape
            close(got, right, 3.0)


def test_a_kind_that_needs_a_gate_is_refused() -> None:
    for backend in (cpu_backend(1), ReferenceBackend("cpu")):
        with pytest.raises(ValueError, match="swiglu_oai"):
            backend.activation(torch.ones(2, 2), "swiglu_oai")
