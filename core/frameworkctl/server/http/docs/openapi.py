"""The OpenAPI document, made of the Structs that requests are decoded with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from frameworkctl.interfaces.endpoint import Endpoint, Route
from frameworkctl.version import VERSION

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """OpenAPI 3.1 over all routes but WebSockets."""
    routes = [(e, r) for e in endpoints for r in e.routes if not r.websocket]
    types = list(dict.fromkeys(r.request for _, r in routes if r.request is not None))
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, Any] = {}
    for endpoint, route in routes:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(endpoint, route, path, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "frameworkctl", "version": VERSION},
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}, {}],
    }


def _operation(endpoint: Endpoint, route: Route, path: str, schemas: dict[type[Any], Any]) -> dict[str, Any]:
    error = {"description": "Refused or failed", "content": _json({"$ref": "#/components/schemas/Error"})}
    where = re.sub(r"[^a-z0-9]+", "_", path.lower()).strip("_")
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.family}_{route.method.lower()}_{where}",
        "tags": [endpoint.family],
        "summary": route.summary,
        "responses": {"200": {"description": "Success"}, "default": error},
    }
    names = re.findall(r"\{(\w+)\}", path)
    if names:
        operation["parameters"] = [
            {"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names
        ]
    if route.request is not None:
        operation["requestBody"] = {"required": True, "content": _json(schemas[route.request])}
    if route.public:
        operation["security"] = []
    return operation


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
