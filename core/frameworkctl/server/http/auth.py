"""API keys: every route of every plugin needs one, unless it says that it is public."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from frameworkctl.errors import RequestError


class KeyRing:
    """Accepts ``Authorization: Bearer KEY`` and ``x-api-key: KEY``: of two that come together one valid key is enough.

    Without keys everything is open. ``ServerOptions`` refuses empty ones.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = [hashlib.sha256(k.encode()).digest() for k in keys]

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise RequestError 401 unless a valid key came along. Takes the same time for every wrong key."""
        if not self._digests:
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = (token.strip() if scheme.lower() == "bearer" else "", headers.get("x-api-key", ""))
        digests = [hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest() for key in given]
        matches = [hmac.compare_digest(digest, known) for digest in digests for known in self._digests]
        if not any(matches):
            raise RequestError(
                "A valid API key is needed: send it as 'Authorization: Bearer KEY'.",
                status=401,
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )
