"""Hosts, records and calls for tests of plugins."""

from __future__ import annotations

import time
from typing import Any

from frameworkctl.interfaces import Call, Endpoint, Formatter, GenerateItem, Prompt, Reply, Route, SamplingParams, Work
from frameworkctl.plugins import PluginHost, PluginRecord, discover, select
from frameworkctl.plugins.selection import split


def make_host(words: str = "", *, eager: bool = True) -> PluginHost:
    """The host that ``--plugins WORDS`` gives, with everything loaded that acts without being asked for."""
    host = PluginHost.from_selection(select(discover(), split(words)))
    if eager:
        host.load_eager()
    return host


def record_of(host: PluginHost, value: str) -> PluginRecord:
    """The one record of the plugin with this value (``package.module``)."""
    [record] = [r for r in host.records if r.value == value]
    return record


def registered(host: PluginHost) -> dict[str, dict[str, Any]]:
    """Everything in the registry, in order: kind -> name -> (spec, value of the plugin)."""
    return {
        kind: {name: (entry.spec, entry.plugin.value) for name, entry in shelf.items()}
        for kind, shelf in host.registry.shelves().items()
    }


class EchoFormatter(Formatter):
    """Says nothing; for tests that only look at who made it."""

    def delta(self, output: Any, usage: Any) -> tuple[Any, ...]:
        return ()

    def final(self, outputs: Any, usage: Any) -> Reply:
        return Reply(body={})


class EchoEndpoint(Endpoint):
    """Each stage tells what it was given."""

    family = "echo"
    routes = (Route(method="POST", path="/echo"),)

    def parse(self, call: Call) -> Any:
        return {"parsed": call.body}

    def render(self, request: Any, model: Any) -> Work:
        prompt = Prompt([1, 2], text=str(request))
        return Work(items=[GenerateItem(prompt=prompt, params=SamplingParams(max_tokens=1))])

    def format(self, request: Any, work: Work, model: Any, call: Call) -> Formatter:
        return EchoFormatter()


def make_call(body: bytes = b"{}") -> Call:
    endpoint = EchoEndpoint()
    return Call(
        endpoint=endpoint,
        route=endpoint.routes[0],
        method="POST",
        path="/echo",
        path_params={},
        query={},
        headers={},
        body=body,
        request_id="r1",
        received=time.monotonic(),
    )
