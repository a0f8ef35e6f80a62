"""``/v1/models`` and ``/v1/models/{id}``."""

from __future__ import annotations

from typing import Any, ClassVar

from frameworkctl.interfaces import Call, Endpoint, EngineScope, Register, Reply, Route, ServedModel, hookimpl


class ModelsEndpoint(Endpoint):
    """List of served models, a card per name."""

    family: ClassVar[str] = "models"
    routes: ClassVar[tuple[Route, ...]] = (
        Route(method="GET", path="/v1/models", summary="List the models that are served"),
        Route(method="GET", path="/v1/models/{model:path}", summary="One model"),
    )

    async def handle(self, call: Call, engine: EngineScope) -> Reply:
        name = call.path_params.get("model")
        if name is not None:
            return Reply(body=card(name, engine.model(name, frozenset())))
        return Reply(body={"object": "list", "data": [card(name, model) for name, model in engine.models.items()]})


def card(name: str, model: ServedModel) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": model.created,
        "owned_by": "frameworkctl",
        "root": model.root,
        "parent": None,
        "max_model_len": model.max_model_len,
        "tasks": sorted(model.info.tasks),
        "permission": [],
    }


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(ModelsEndpoint)
