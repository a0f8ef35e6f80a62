"""Files with embeddings: what is read of each format, and why others are refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from frameworkctl.execution.embeds.reader import read_embeds

ROWS = torch.randn(55, 64, generator=torch.Generator().manual_seed(1))


def torch_file(value: Any, **how: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **how)
    return file.getvalue()


def npy_file(value: torch.Tensor, order: str = "C") -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(value.numpy(), order=order))  # type: ignore[call-overload]
    return file.getvalue()


FORMATS: dict[str, Callable[[torch.Tensor], bytes]] = {
    "safetensors": lambda x: safetensors.torch.save({"prompt": x}),
    "npy": npy_file,
    "npy by columns": lambda x: npy_file(x, "F"),
    "npy double": lambda x: npy_file(x.double()),
    "torch": torch_file,
    "torch with an axis of one": lambda x: torch_file(x[None]),
    "torch parameter": lambda x: torch_file(torch.nn.Parameter(x)),
}


def read(data: bytes, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    rows, count = read_embeds(data, hidden_size=64, max_tokens=159, dtype=dtype)
    return torch.frombuffer(bytearray(rows), dtype=dtype).view(count, 64)


@pytest.mark.parametrize("form", FORMATS)
def test_formats(form: str) -> None:
    assert torch.equal(read(FORMATS[form](ROWS)), ROWS)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_types_become_the_models(dtype: torch.dtype) -> None:
    assert torch.equal(read(torch_file(ROWS.to(dtype))), ROWS.to(dtype).float())
    assert torch.equal(read(torch_file(ROWS), torch.bfloat16), ROWS.bfloat16())
    with pytest.raises(ValueError, match="not finite in float16"):
        read(torch_file(ROWS * 1e6), torch.float16)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("/tmp/frameworkctl-was-here"),))


def bomb() -> bytes:
    """A tensor file whose storage is 200 MB of zeros, compressed."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out,
        zipfile.ZipFile(io.BytesIO(torch_file(torch.zeros(3, 64)))) as old,
    ):
        for name in old.namelist():
            out.writestr(name, bytes(200 << 20) if name.endswith("data/0") else old.read(name))
    return file.getvalue()


def wide_view() -> torch.Tensor:
    """A shape of a terabyte over one float."""
    return torch.zeros(1).expand(1 << 34, 64)


BAD: dict[str, tuple[Callable[[torch.Tensor], bytes], str]] = {
    "nothing": (lambda x: b"", "no safetensors"),
    "other bytes": (lambda x: b"hello" * 20, "no safetensors"),
    "a pickle": (lambda x: pickle.dumps(x.numpy()), "no safetensors"),
    "a torch file of old": (lambda x: torch_file(x, _use_new_zipfile_serialization=False), "no safetensors"),
    "code in a torch file": (lambda x: torch_file(Evil()), "weights-only"),
    "a dict": (lambda x: torch_file({"a": x}), "dict"),
    "sparse": (lambda x: torch_file(x.to_sparse()), "dense"),
    "integers": (lambda x: torch_file(x.long()), "int64"),
    "complex": (lambda x: torch_file(x.to(torch.complex64)), "complex64"),
    "npy of integers": (lambda x: npy_file(x.long()), "int64"),
    "npy cut short": (lambda x: npy_file(x)[:-8], ""),
    "npy of objects": (lambda x: npy_file(x).replace(b"'<f4'", b"'|O' "), "not floats"),
    "npy of a terabyte": (lambda x: npy_file(x).replace(b"(55, 64)", b"(9999999999, 64)"), ""),
    "torch cut short": (lambda x: torch_file(x)[:-200], "cannot be"),
    "safetensors cut short": (lambda x: safetensors.torch.save({"a": x})[:-8], "safetensors"),
    "two tensors": (lambda x: safetensors.torch.save({"a": x, "b": x.clone()}), "2 tensors"),
    "none": (lambda x: torch_file(x[:0]), "[0, 64]"),
    "a vector": (lambda x: torch_file(x[0]), "[64]"),
    "too narrow": (lambda x: torch_file(x[:, :63].clone()), "[55, 63]"),
    "two prompts": (lambda x: torch_file(torch.stack([x, x])), "[2, 55, 64]"),
    "too long": (lambda x: torch_file(torch.zeros(160, 64)), "160 tokens"),
    "not finite": (lambda x: torch_file(x / 0), "finite"),
    "a view of a terabyte": (lambda x: torch_file(wide_view()), "tokens"),
    "a bomb": (lambda x: bomb(), "one tensor"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_refused(case: str) -> None:
    make, reason = BAD[case]
    with pytest.raises(ValueError) as refused:
        read(make(ROWS))
    assert reason in str(refused.value)
    assert not Path("/tmp/frameworkctl-was-here").exists()
