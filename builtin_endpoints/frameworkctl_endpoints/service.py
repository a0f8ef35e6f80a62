"""``/health``, ``/ping`` and ``/version``: what load balancers and operators ask."""

from __future__ import annotations

from typing import ClassVar

from frameworkctl.interfaces import VERSION, Call, Endpoint, EngineScope, Register, Reply, Route, hookimpl


class ServiceEndpoint(Endpoint):
    """Health is open to everybody, so that a load balancer needs no key; the version is not."""

    family: ClassVar[str] = "service"
    routes: ClassVar[tuple[Route, ...]] = (
        Route(method="GET", path="/health", public=True, summary="200 when every engine is ready, else 503"),
        Route(method="GET", path="/ping", public=True, summary="The status of /health, without a body"),
        Route(method="POST", path="/ping", public=True, summary="The status of /health, without a body"),
        Route(method="GET", path="/version", summary="The server's version"),
    )

    async def handle(self, call: Call, engine: EngineScope) -> Reply:
        if call.path == "/version":
            return Reply(body={"version": VERSION})
        health = engine.health()
        status = 200 if health["status"] == "ready" else 503
        return Reply(body=b"" if call.path == "/ping" else dict(health), status=status)


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(ServiceEndpoint)
