"""Prompts that come as embeddings: files of requests made into rows that a model can take."""

from __future__ import annotations

import io
import warnings
import zipfile
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
MAX_HEADER = 64 << 10  # bytes of what describes a tensor in any of the formats: a few hundred do


def read_embeds(data: bytes, *, hidden_size: int, max_tokens: int, dtype: torch.dtype) -> tuple[bytes, int]:
    """Return the rows of one prompt, ``[tokens, hidden]`` of ``dtype`` as bytes, and how many there are.

    ``data`` is a safetensors file with one tensor, a ``.npy`` file, or what ``torch.save`` writes of one tensor, which
    is loaded weights-only. A leading axis of one is dropped.

    Raises:
        ValueError: it is none of these, or not a matrix of finite floats of this width, or longer than ``max_tokens``.
    """
    rows = _load(data)
    if rows.dtype not in FLOATS:
        raise ValueError(f"its values are {str(rows.dtype).removeprefix('torch.')}, not floats")
    if rows.dim() == 3 and rows.shape[0] == 1:
        rows = rows[0]
    shape = list(rows.shape)
    if rows.dim() != 2 or not shape[0] or shape[1] != hidden_size:
        raise ValueError(f"its shape is {shape}, not [tokens, {hidden_size}]")
    if shape[0] > max_tokens:
        raise ValueError(f"it has {shape[0]} tokens, and at most {max_tokens} fit")
    rows = rows.to(dtype).contiguous()
    if not bool(torch.isfinite(rows).all()):
        raise ValueError(f"it has values that are not finite in {str(dtype).removeprefix('torch.')}")
    return rows.view(torch.uint8).numpy().tobytes(), shape[0]


def _load(data: bytes) -> Tensor:
    if data.startswith(b"\x93NUMPY"):
        return _from_numpy(data)
    if data.startswith(b"PK\x03\x04"):
        return _from_torch(data)
    if data[8:9] == b"{":
        return _from_safetensors(data)
    raise ValueError("it is no safetensors, .npy or torch file")


def _from_numpy(data: bytes) -> Tensor:
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read: Any = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = read(file, max_header_size=MAX_HEADER)
        if dtype.kind != "f":
            raise ValueError(f"its values are {dtype}, not floats")
        values = np.frombuffer(data, dtype, offset=file.tell())
        return torch.from_numpy(values.reshape(shape, order="F" if fortran else "C").astype(dtype.newbyteorder("=")))
    except (KeyError, TypeError, OverflowError) as e:
        raise ValueError(f"it cannot be read as .npy: {e}") from None


def _from_safetensors(data: bytes) -> Tensor:
    if int.from_bytes(data[:8], "little") > MAX_HEADER:
        raise ValueError("its header is not that of one tensor")
    try:
        tensors = safetensors.torch.load(data)
    except Exception as e:  # noqa: BLE001 - an error class of the library's own, and others
        raise ValueError(f"it cannot be read as safetensors: {e}") from None
    if len(tensors) != 1:
        raise ValueError(f"it has {len(tensors)} tensors, not one")
    return next(iter(tensors.values()))


def _from_torch(data: bytes) -> Tensor:
    """Return a zip archive; its members are measured first, because what is compressed may be large and pickles
    slow.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
        large = [m for m in members if m.filename.endswith(".pkl") and m.file_size > MAX_HEADER]
        if large or sum(m.file_size for m in members) > len(data):
            raise ValueError("it is not the file of one tensor")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except ValueError:
        raise
    except Exception as e:  # noqa: BLE001 - whatever a broken file makes of the unpickler
        raise ValueError(
            f"it cannot be loaded weights-only: {str(e).splitlines()[0][:200] if str(e) else e!r}"
        ) from None
    if type(value) not in (Tensor, torch.nn.Parameter) or value.layout != torch.strided or value.is_quantized:
        raise ValueError(f"it holds a {type(value).__name__}, not one dense tensor")
    dense: Tensor = value.detach()
    return dense
