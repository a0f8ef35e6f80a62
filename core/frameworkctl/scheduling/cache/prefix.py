"""Names for page contents: a sha256 chain over the tokens that lead up to and fill a page."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping


def root(extras: Mapping[str, str] | None) -> bytes:
    """Return where a chain begins; what must not be shared between requests (salt, adapter, media) goes in by name."""
    digest = hashlib.sha256(b"frameworkctl")
    for name, value in sorted((extras or {}).items()):
        for part in (name.encode(), value.encode()):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    return digest.digest()


def extend(chain: list[bytes], start: bytes, tokens: array[int], block: int) -> None:
    """Add to ``chain`` a digest for every ``block`` tokens that are complete; it grows as the sequence does."""
    at = len(chain)
    parent = chain[-1] if chain else start
    while (at + 1) * block <= len(tokens):
        parent = hashlib.sha256(parent + tokens[at * block : (at + 1) * block].tobytes()).digest()
        chain.append(parent)
        at += 1
