"""Cross-origin requests of browsers: the answer to a preflight, and the headers that a page needs to read a reply."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from litestar.types import Message, Send

from frameworkctl.config import ServerOptions
from frameworkctl.cross_origin import ANY, allows

from . import wire

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
KEPT = "600"  # seconds that a browser keeps the answer to a preflight
MAX_REQUESTED = 4096  # characters of the headers that a preflight asks for
_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, \t-]*")
_READABLE = (b"retry-after", b"www-authenticate")  # beside those that begin with x-


class Cors:
    """The rules of one server, made of its options."""

    def __init__(self, options: ServerOptions) -> None:
        self._origins = options.allowed_origins
        self._methods = METHODS if ANY in options.allowed_methods else ", ".join(options.allowed_methods)
        self._any_header = ANY in options.allowed_headers
        self._headers = ", ".join(options.allowed_headers)
        self._credentials = options.allow_credentials

    def allowed(self, origin: str | None) -> str | None:
        """Return ``access-control-allow-origin`` for a request of ``origin``; None where its page is not let in."""
        if origin is None or not allows(self._origins, origin):
            return None
        return ANY if self._origins is not None and ANY in self._origins else origin

    async def preflight(self, headers: Mapping[str, str], send: Send) -> None:
        """Answer a preflight: 204, and without the headers that let a page in where it is not let in."""
        reply = {"vary": "Origin, Access-Control-Request-Headers"}
        if self.allowed(headers.get("origin")) is not None:
            asked = headers.get("access-control-request-headers", "")
            fit = len(asked) <= MAX_REQUESTED and _NAMES.fullmatch(asked)
            # Named one by one: `*` would not cover Authorization.
            reply["access-control-allow-headers"] = (asked if fit else "") if self._any_header else self._headers
            reply["access-control-allow-methods"] = self._methods
            reply["access-control-max-age"] = KEPT
            if headers.get("access-control-request-private-network") == "true":
                reply["access-control-allow-private-network"] = "true"
        await wire.send_start(send, 204, reply)
        await wire.send_body(send, b"")

    def wrap(self, send: Send, origin: str | None) -> Send:
        """Return a ``send`` that adds the headers to whatever reply starts, errors and streams too."""
        allowed = self.allowed(origin)

        async def wrapped(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._added(allowed, message["headers"])]
            await send(message)

        return wrapped

    def _added(self, allowed: str | None, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        names = [name.lower() for name, _ in headers]
        added = [] if allowed == ANY or b"vary" in names else [(b"vary", b"Origin")]  # a cache must not mix them up
        if allowed is None:
            return added
        added.append((b"access-control-allow-origin", allowed.encode("latin-1")))
        if self._credentials:
            added.append((b"access-control-allow-credentials", b"true"))
        readable = [name for name in dict.fromkeys(names) if name.startswith(b"x-") or name in _READABLE]
        if readable:
            added.append((b"access-control-expose-headers", b", ".join(readable)))
        return added


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Return if this is a browser's question before a request, which carries no key."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers
