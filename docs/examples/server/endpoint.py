"""An API family of its own: GET /v1/motd and POST /v1/shout."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from frameworkctl.interfaces import (
    Call,
    Endpoint,
    EngineScope,
    Formatter,
    GenerateItem,
    Output,
    Payload,
    Register,
    Reply,
    Route,
    ServedModel,
    Usage,
    Work,
    hookimpl,
)


class MessageOfTheDay(Endpoint):
    """The shortest endpoint: no model, no stages, one answer."""

    family = "motd"
    routes = (Route(method="GET", path="/v1/motd", public=True),)

    async def handle(self, call: Call, engine: EngineScope) -> Reply:
        return Reply(body={"message": "hello", "models": list(engine.models)})


class ShoutRequest(msgspec.Struct):
    text: str
    model: str | None = None
    stream: bool = False


class ShoutFormatter(Formatter):
    def delta(self, output: Output, usage: Usage) -> Iterable[Payload]:
        yield {"text": output.text.upper()}

    def final(self, outputs: list[Output], usage: Usage) -> Reply:
        return Reply(body={"text": outputs[0].text.upper(), "tokens": usage.total_tokens})


class Shout(Endpoint):
    """The usual endpoint: a Struct to decode into, a prompt to render, outputs to format."""

    family = "shout"
    tasks = frozenset({"generate"})
    routes = (Route(method="POST", path="/v1/shout", request=ShoutRequest, summary="Continue a text, loudly"),)

    def render(self, request: ShoutRequest, model: ServedModel) -> Work:
        prompt = model.encode_prompt(request.text, param="text")
        params = model.sampling(prompt, {"temperature": 0.0}, default_max_tokens=16)
        return Work(items=[GenerateItem(prompt=prompt, params=params)], stream=request.stream)

    def format(self, request: ShoutRequest, work: Work, model: ServedModel, call: Call) -> Formatter:
        return ShoutFormatter()


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(MessageOfTheDay)
    register(Shout)
