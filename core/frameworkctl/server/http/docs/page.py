"""``/``, ``/docs`` and ``/openapi.json``: the API as a page that loads nothing from outside."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib import resources
from typing import Any, ClassVar

from frameworkctl.interfaces.endpoint import Call, Endpoint, EngineScope, Route
from frameworkctl.interfaces.requests.outputs import Reply


class DocsEndpoint(Endpoint):
    """Built into the server because it tells about all endpoints, its own included."""

    family: ClassVar[str] = "docs"
    routes: ClassVar[tuple[Route, ...]] = (
        # A browser cannot send a key for a page; the page is the same for every server, and asks for the key itself.
        Route(method="GET", path="/", public=True, summary="Where to go from here; a browser is sent to /docs"),
        Route(method="GET", path="/docs", public=True, summary="This API as a page"),
        Route(method="GET", path="/openapi.json", summary="This API as an OpenAPI document"),
    )

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make

    @cached_property
    def _document(self) -> dict[str, Any]:
        return self._make()

    @cached_property
    def _page(self) -> bytes:
        return resources.files(__package__).joinpath("page.html").read_bytes()

    async def handle(self, call: Call, engine: EngineScope) -> Reply:
        if call.path == "/":
            return _pointer(call)
        if call.path == "/openapi.json":
            return Reply(body=self._document)
        return Reply(
            body=self._page,
            media_type="text/html; charset=utf-8",
            headers={
                "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
                " connect-src 'self'; base-uri 'none'; form-action 'none'"
            },
        )


def _pointer(call: Call) -> Reply:
    """Return the paths to begin with; to a browser, the way to the page. The paths are relative, as for a proxy."""
    if "text/html" in call.headers.get("accept", ""):
        return Reply(body=b"", status=307, headers={"location": "docs"}, media_type="text/html; charset=utf-8")
    paths = {"docs": "/docs", "openapi": "/openapi.json", "models": "/v1/models", "health": "/health"}
    return Reply(body={"name": "frameworkctl", **paths})
