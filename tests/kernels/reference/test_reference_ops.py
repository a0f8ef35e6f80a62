"""The other operations of the reference backend against their formulas in float64."""

from __future__ import annotations

import pytest
import torch
from frameworkctl_kernels.reference import linear
from frameworkctl_kernels.reference.backend import ReferenceBackend

backend = ReferenceBackend("cpu")


@pytest.mark.parametrize("shape", [(8, 16), (1024, 600), (700, 1100)], ids=str)
@pytest.mark.parametrize("rows", [1, 3, 64])
@pytest.mark.parametrize("bias", [False, True])
def test_linear(shape: tuple[int, int], rows: int, bias: bool) -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(shape), torch.randn(rows, shape[1])
    b = torch.randn(shape[0]) if bias else None
    packed = backend.pack(weight)
    assert packed.shape == shape
    assert isinstance(packed, linear.OneDnnWeight) == (weight.numel() >= linear.MIN_PACKED_NUMEL)
    want = x.double() @ weight.double().T + (0 if b is None else b.double())
    torch.testing.assert_close(backend.linear(x, packed, b).double(), want, atol=1e-3, rtol=1e-4)
    out = torch.empty(rows, shape[0])
    assert backend.linear(x, packed, b, out) is out
    torch.testing.assert_close(out.double(), want, atol=1e-3, rtol=1e-4)


def test_a_type_that_onednn_lacks_here_stays_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "onednn_takes", lambda dtype: False)
    weight = torch.randn(1024, 1024)
    packed = backend.pack(weight)
    assert isinstance(packed, linear.PlainWeight)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rms_norm(late: bool, dtype: torch.dtype) -> None:
    """In half precision the two orders of casting differ, and each is exact."""
    torch.manual_seed(0)
    x, weight = torch.randn(5, 64).to(dtype) * 3, torch.randn(64)
    weight = weight if late else weight.to(dtype)
    normed = x.double() / (x.double().pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
    want = (normed * weight.double()).to(dtype) if late else (normed.to(dtype) * weight)
    got = backend.rms_norm(x, weight, 1e-5, late_cast=late)
    assert got.dtype == dtype
    torch.testing.assert_close(got, want, atol=1e-5 if dtype == torch.float32 else 0.04, rtol=1e-2)


def test_add_rms_norm() -> None:
    torch.manual_seed(0)
    x, residual, weight = torch.randn(5, 64), torch.randn(5, 64), torch.randn(64)
    total = x + residual
    normed, kept = backend.add_rms_norm(x, residual.clone(), weight, 1e-6)
    torch.testing.assert_close(kept, total)
    torch.testing.assert_close(normed, backend.rms_norm(total, weight, 1e-6))


def test_add_layer_norm() -> None:
    torch.manual_seed(0)
    x, residual, weight, bias = torch.randn(5, 64), torch.randn(5, 64), torch.randn(64), torch.randn(64)
    total = x + residual
    normed, kept = backend.add_layer_norm(x, residual.clone(), weight, bias, 1e-6)
    torch.testing.assert_close(kept, total)
    centred = total.double() - total.double().mean(-1, keepdim=True)
    want = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * weight + bias
    torch.testing.assert_close(normed.double(), want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("rotated", [8, 16], ids=["partial", "whole"])
def test_rotary(rotated: int) -> None:
    """As complex numbers: pair (i, i + R/2) turned by its angle; the rest of the head untouched."""
    torch.manual_seed(0)
    x, angles = torch.randn(7, 3, 16), torch.randn(7, rotated // 2)
    pairs = torch.complex(x[..., : rotated // 2].double(), x[..., rotated // 2 : rotated].double())
    turned = pairs * torch.polar(torch.ones_like(angles, dtype=torch.float64), angles.double())[:, None]
    want = torch.cat([turned.real, turned.imag, x[..., rotated:].double()], dim=-1)
    view = torch.zeros(7, 5, 16)
    view[:, 1:4] = x
    backend.rotary(view[:, 1:4], torch.cat([angles.cos(), angles.sin()], dim=-1))
    torch.testing.assert_close(view[:, 1:4].double(), want, atol=1e-5, rtol=1e-5)
    assert not view[:, 0].any()
    assert not view[:, 4].any()


@pytest.mark.parametrize("kind", ["silu", "gelu_tanh"])
def test_gated_activation(kind: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 24)
    gate, up = x[:, :12].double(), x[:, 12:].double()
    if kind == "silu":
        want = gate * torch.sigmoid(gate) * up
    else:
        want = 0.5 * gate * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (gate + 0.044715 * gate**3))) * up
    torch.testing.assert_close(backend.gated_activation(x, kind).double(), want, atol=1e-5, rtol=1e-5)
