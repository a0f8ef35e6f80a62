"""Null is what a field is that was left out: every optional field of every route, however deep it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import httpx
import msgspec
import pytest
from frameworkctl.plugins import PluginHost, discover, select
from support.serving.server import RunningServer

pytestmark = pytest.mark.e2e


def structs_of(type_: Any, seen: set[Any]) -> Iterator[type[msgspec.Struct]]:
    """Yield the Structs in a type."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct) and type_ not in seen:
        seen.add(type_)
        yield type_
        for hint in get_type_hints(type_).values():
            yield from structs_of(hint, seen)
    for argument in get_args(type_):
        yield from structs_of(argument, seen)


def requests() -> dict[str, Any]:
    """Return path -> Struct of all routes that are built in."""
    host = PluginHost.from_selection(select(discover(), []))
    host.load_everything()
    endpoints = dict.fromkeys(host.registry.endpoints.values())
    return {route.path: route.request for e in endpoints for route in e.spec.routes if route.request is not None}


def test_every_optional_field_takes_null() -> None:
    tried = 0
    for path, request in requests().items():
        for struct in structs_of(request, set()):
            hints = get_type_hints(struct)
            for field in msgspec.structs.fields(struct):
                if not field.required:
                    msgspec.convert(None, hints[field.name]), path
                    tried += 1
    assert tried > 300


BODIES: dict[str, dict[str, Any]] = {
    "/v1/completions": {"prompt": "a", "max_tokens": 1},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": None}], "max_tokens": 1},
    "/tokenize": {"prompt": "a"},
    "/detokenize": {"tokens": [5]},
}


@pytest.mark.parametrize("path", BODIES)
def test_all_of_them_at_once(server: RunningServer, path: str) -> None:
    nulls = {f.encode_name: None for f in msgspec.structs.fields(requests()[path]) if not f.required}
    reply = httpx.post(f"{server.url}{path}", json={**nulls, **BODIES[path]})
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize(
    "extra",
    [
        {"tools": []},
        {"tools": [], "tool_choice": "auto"},
        {"tool_choice": "auto"},
        {"tool_choice": "none"},
        {"modalities": ["text"]},
        {"function_call": "none"},
        {"function_call": "auto"},
        {"functions": []},
        {"stop": [f"stop{i}" for i in range(64)]},
        {"include_reasoning": None},
        {"prompt_cache_retention": "24h"},
        {"stream": True, "stream_options": {"include_usage": None, "include_obfuscation": False}},
        {"moderation": None},
    ],
    ids=str,
)
def test_defaults_that_clients_send(server: RunningServer, extra: dict[str, Any]) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 2, "temperature": 0}
    reply = httpx.post(f"{server.url}/v1/chat/completions", json={**body, **extra})
    assert reply.status_code == 200, reply.text
    assert "x-unknown-fields" not in reply.headers
    if "stream" not in extra:
        plain = httpx.post(f"{server.url}/v1/chat/completions", json=body)
        assert reply.json()["choices"] == plain.json()["choices"]


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"function_call": {"name": "f"}}, "function_call"),
        ({"stop": ["x"] * 65}, "stop"),
        ({"stop": ["x" * 9000, "y" * 9000]}, "stop"),
        ({"moderation": {"model": "m"}}, "moderation"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_asks_for_something_is_refused(server: RunningServer, extra: dict[str, Any], param: str) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 2}
    reply = httpx.post(f"{server.url}/v1/chat/completions", json={**body, **extra})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("data", "headers", "status", "word"),
    [
        (b"\xef\xbb\xbf{}", {}, 400, "byte order mark"),
        ("{}".encode("utf-16"), {}, 400, "byte order mark"),
        (b"\x1f\x8b\x08\x00", {"content-encoding": "gzip"}, 415, "gzip"),
        (b"{}", {"content-encoding": "br"}, 415, "br"),
    ],
)
def test_bodies_in_a_wrapping(
    server: RunningServer, data: bytes, headers: dict[str, str], status: int, word: str
) -> None:
    head = {"content-type": "application/json", **headers}
    reply = httpx.post(f"{server.url}/v1/completions", content=data, headers=head)
    assert reply.status_code == status
    assert word in reply.json()["error"]["message"]
