"""Answers of the pooling families: lists of vectors or classes as JSON, and vectors as bytes.

They may be large, and are made in a worker thread: entry by entry, so that other threads run in between.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from frameworkctl.interfaces import PoolFormatter, PoolOutput, Reply, RequestError, Usage, Work, bad

from frameworkctl_endpoints.replies import Head, usage_body

from .inputs import VectorFields
from .long_texts import InPieces
from .vectors import SIZES, base64, encoded, load_numpy, numbers, resolved

MAX_METADATA = 32 << 10  # bytes of the header; most proxies take no more
LEAST_METADATA = 80  # bytes of an entry there, at least
_encoder = msgspec.json.Encoder()


def written(fields: Mapping[str, Any]) -> bytes:
    """Return a JSON object; an iterator's entries are encoded one at a time, and bytes are JSON already.

    Put together at once at the end, as ``join`` lets other threads run while it copies.
    """
    parts: list[bytes] = []
    for key, value in fields.items():
        parts += (b"," if parts else b"{", _encoder.encode(key), b":")
        if isinstance(value, Iterator):
            parts.append(b"[")
            for entry in value:
                parts += (_encoder.encode(entry), b",")
            parts[-1:] = (b"]",) if parts[-1] == b"," else (b"[", b"]")
        else:
            parts.append(value if isinstance(value, bytes) else _encoder.encode(value))
    return b"".join([*parts, b"}"])


def list_reply(head: Head, entries: Iterator[Any], usage: Usage) -> Reply:
    """Return ``{"id", "object", "created", "model", "data", "usage"}``, encoded."""
    return Reply(body=written(head.reply(data=entries, usage=usage_body(usage))))


def prepare(fields: VectorFields, work: Work) -> Work:
    """Refuse before anything is computed what would not fit the header. Raises RequestError 400."""
    count = len(work.weights if isinstance(work, InPieces) else work.pool)
    if fields.embed_dtype not in (None, "float32") or fields.endianness == "big":
        load_numpy()
    if fields.encoding_format == "bytes" and count * LEAST_METADATA > MAX_METADATA:
        raise _too_many(count)
    return work


def _too_many(count: int) -> RequestError:
    return bad(
        "encoding_format",
        f"The header that describes {count} vectors as bytes would exceed {MAX_METADATA} bytes: send fewer inputs at a"
        " time, or use base64, or bytes_only, which describes nothing.",
    )


class VectorFormatter(PoolFormatter):
    """Vectors in the format that was asked for. ``noun`` is each entry's object, ``key`` where its vector is."""

    def __init__(self, fields: VectorFields, work: Work, head: Head, noun: str, key: str) -> None:
        self.work, self.head, self.noun, self.key = work, head, noun, key
        self.format = fields.encoding_format or "float"
        self.dtype = fields.embed_dtype or "float32"
        self.endianness = fields.endianness or "native"

    def pooled(self, outputs: list[PoolOutput], usage: Usage) -> Reply:
        if isinstance(self.work, InPieces):
            outputs = self.work.whole(outputs)
        if self.format in ("bytes", "bytes_only"):
            return self._binary(outputs, usage)
        one = self._base64 if self.format == "base64" else numbers
        noun, key = self.noun, self.key
        entries = ({"index": i, "object": noun, key: one(output)} for i, output in enumerate(outputs))
        return list_reply(self.head, entries, usage)

    def _base64(self, output: PoolOutput) -> str:
        return base64(encoded(output.data, self.dtype, self.endianness))

    def _binary(self, outputs: Sequence[PoolOutput], usage: Usage) -> Reply:
        """Return all vectors back to back; for ``bytes`` a header says where each is, and what it is made of."""
        body = b"".join([encoded(output.data, self.dtype, self.endianness) for output in outputs])
        reply = Reply(body=body, media_type="application/octet-stream")
        if self.format == "bytes":
            reply.headers["metadata"] = self._metadata(outputs, usage)
        return reply

    def _metadata(self, outputs: Sequence[PoolOutput], usage: Usage) -> str:
        entries, start, order = [], 0, resolved(self.endianness)
        for i, output in enumerate(outputs):
            end = start + len(output.data) // 4 * SIZES[self.dtype]
            shape = [output.width] if output.rows is None else [output.rows, output.width]
            entry = {"index": i, "embed_dtype": self.dtype, "endianness": order, "start": start, "end": end}
            entries.append({**entry, "shape": shape})
            start = end
        head = self.head
        tokens = {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.total_tokens}
        metadata = {"id": head.id, "created": head.created, "model": head.model, "data": entries, "usage": tokens}
        text = json.dumps(metadata, separators=(",", ":"))  # ASCII, as a header must be
        if len(text) > MAX_METADATA:
            raise _too_many(len(outputs))
        return text
