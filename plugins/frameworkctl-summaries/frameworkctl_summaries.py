"""``POST /v1/summaries``: an API family of its own; streaming, abort, keys, limits, usage and errors come from core."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

import msgspec
from frameworkctl.interfaces import (
    Call,
    Endpoint,
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


class SummaryRequest(msgspec.Struct):
    text: Annotated[str, msgspec.Meta(min_length=1)]
    model: str | None = None
    max_tokens: int | None = None
    stream: bool = False


class SummaryFormatter(Formatter):
    def delta(self, output: Output, usage: Usage) -> Iterable[Payload]:
        yield {"summary": output.text, "done": output.finish_reason is not None}

    def final(self, outputs: list[Output], usage: Usage) -> Reply:
        return Reply(body={"summary": outputs[0].text, "tokens": usage.total_tokens})


class Summaries(Endpoint):
    family: ClassVar[str] = "summaries"
    tasks: ClassVar[frozenset[str]] = frozenset({"generate"})
    routes: ClassVar[tuple[Route, ...]] = (Route(method="POST", path="/v1/summaries", request=SummaryRequest),)

    def render(self, request: SummaryRequest, model: ServedModel) -> Work:
        prompt = model.render_chat([{"role": "user", "content": f"Summarise in one sentence:\n{request.text}"}])
        params = model.sampling(prompt, {"max_tokens": request.max_tokens}, default_max_tokens=64)
        return Work(items=[GenerateItem(prompt=prompt, params=params)], stream=request.stream)

    def format(self, request: SummaryRequest, work: Work, model: ServedModel, call: Call) -> Formatter:
        return SummaryFormatter()


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(Summaries)
