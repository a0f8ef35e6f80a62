"""HTTP as such: errors in one shape, keys on every route, ids, limits, documentation, refused WebSockets."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import websockets.sync.client
from support.serving.server import RunningServer, start_server
from websockets.exceptions import InvalidStatus

pytestmark = pytest.mark.e2e
KEY = "secret-key-1"
BODY = {"model": "a", "prompt": "the", "max_tokens": 2}


def check_error(reply: httpx.Response, status: int) -> dict[str, Any]:
    """The API's shape: message, type, param, code, and nothing else."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"].startswith("application/json")
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert isinstance(error["type"], str)
    assert isinstance(error["code"], str)
    return error


@pytest.fixture(scope="module")
def locked(checkpoints: dict[str, Path]) -> Iterator[RunningServer]:
    """A server with keys, a small body limit and a strict attitude to unknown fields."""
    args = [str(checkpoints["llama"]), "--served-model-name", "a", "--dtype", "float32", "--api-key", KEY, "key-2"]
    server = start_server([*args, "--max-body-bytes", "20k", "--unknown-fields", "reject"])
    yield server
    server.stop()


def test_paths_and_methods(server: RunningServer) -> None:
    assert check_error(httpx.get(f"{server.url}/v1/nothing"), 404)["code"] == "not_found"
    assert check_error(httpx.get(f"{server.url}/v1/completions"), 405)["code"] == "method_not_allowed"
    assert check_error(httpx.delete(f"{server.url}/v1/models"), 405)["code"] == "method_not_allowed"
    assert "GET" in httpx.post(f"{server.url}/v1/models").headers["allow"]
    assert "GET" in httpx.post(f"{server.url}/v1/models/a").headers["allow"]


def test_one_model_by_its_name(server: RunningServer) -> None:
    """A path with a parameter."""
    assert server.openai().models.retrieve("b").id == "b"
    assert check_error(httpx.get(f"{server.url}/v1/models/org/none"), 404)["code"] == "model_not_found"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"[1,2]",
        b'"hi"',
        b"null",
        b'{"prompt": NaN}',
        b'{"prompt": 1e999}',
        b"\xff\xfe{}",
        b"\x00",
        b'{"prompt": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"prompt": ' + b"[" * 2000 + b"]" * 2000 + b"}",
    ],
    ids=lambda b: repr(b[:14]),
)
def test_bodies_that_are_no_requests(server: RunningServer, body: bytes) -> None:
    for path in ("/v1/completions", "/v1/chat/completions"):
        reply = httpx.post(f"{server.url}{path}", content=body, headers={"content-type": "application/json"})
        check_error(reply, 400)
    assert server.health()["status"] == "ready"


def test_content_type(server: RunningServer) -> None:
    url = f"{server.url}/v1/completions"
    data = json.dumps(BODY).encode()
    assert check_error(httpx.post(url, content=data, headers={"content-type": "text/plain"}), 400)["code"]
    good = httpx.post(url, content=data, headers={"content-type": "application/json; charset=utf-8"})
    assert good.status_code == 200
    check_error(httpx.post(url, data={"prompt": "x"}), 400)


def test_lax_numbers(server: RunningServer) -> None:
    body = {**BODY, "max_tokens": "3", "temperature": "0", "stream": "false"}
    assert httpx.post(f"{server.url}/v1/completions", json=body).json()["usage"]["completion_tokens"] <= 3
    assert (
        check_error(httpx.post(f"{server.url}/v1/completions", json={**BODY, "max_tokens": 2.5}), 400)["param"]
        == "max_tokens"
    )


def test_unknown_fields_are_named_in_a_header(server: RunningServer) -> None:
    reply = httpx.post(f"{server.url}/v1/completions", json={**BODY, "nope": 1, "a\r\nb": 2, "user": "u"})
    assert reply.status_code == 200
    assert reply.headers["x-unknown-fields"] == "nope,a??b"
    assert "x-unknown-fields" not in httpx.post(f"{server.url}/v1/completions", json=BODY).headers


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"stream_options": {"include_usage": True, "nope": 1}, "stream": True}, "stream_options.nope"),
        ({"response_format": {"type": "text", "nope": {}}}, "response_format.nope"),
        ({"tools": [{"type": "function", "function": {"name": "f", "nope": 1}}]}, "tools[0].function.nope"),
        ({"messages": [{"role": "user", "content": "a", "nope": 1}]}, "messages[0].nope"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "nope": 1}]}]},
            "messages[0].content[0].nope",
        ),
    ],
)
def test_nested_unknown_fields_are_named_or_refused(
    server: RunningServer, locked: RunningServer, fields: dict[str, Any], names: str
) -> None:
    body = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 1, "tool_choice": "none", **fields}
    reply = httpx.post(f"{server.url}/v1/chat/completions", json=body)
    assert (reply.status_code, reply.headers.get("x-unknown-fields")) == (200, names)
    refused = httpx.post(f"{locked.url}/v1/chat/completions", json=body, headers={"x-api-key": KEY})
    assert check_error(refused, 400)["param"] == names


def test_names_of_other_servers_are_refused_with_the_unknown(locked: RunningServer) -> None:
    body = {**BODY, "response_format": {"type": "json_object", "schema": {"type": "object"}}}
    reply = httpx.post(f"{locked.url}/v1/completions", json=body, headers={"x-api-key": KEY})
    assert check_error(reply, 400)["param"] == "response_format.schema"


def test_request_ids(server: RunningServer, locked: RunningServer) -> None:
    url = f"{server.url}/v1/completions"
    reply = httpx.post(url, json=BODY, headers={"X-Request-Id": "mine-1"})
    assert (reply.headers["x-request-id"], reply.json()["id"]) == ("mine-1", "cmpl-mine-1")
    fresh = httpx.post(url, json=BODY)
    assert fresh.json()["id"] == f"cmpl-{fresh.headers['x-request-id']}"
    assert httpx.get(f"{server.url}/nothing").headers["x-request-id"]
    assert httpx.post(url, json=BODY, headers={"X-Request-Id": "x" * 1000}).headers["x-request-id"] != "x" * 1000
    quiet = httpx.post(f"{locked.url}/v1/completions", json=BODY, headers={"x-api-key": KEY, "X-Request-Id": "q"})
    assert quiet.headers["x-request-id"] not in ("", "q")
    assert quiet.json()["id"] == "cmpl-q"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("DELETE", "/v1/completions", None, 405),
        ("POST", "/v1/completions", {}, 400),
        ("POST", "/v1/completions", {"prompt": "x" * 30_000}, 413),
        ("HEAD", "/v1/models", None, 200),
        ("POST", "/v1/completions", {**BODY, "stream": True}, 200),
        ("GET", "/health", None, 200),
    ],
    ids=str,
)
def test_every_reply_has_an_id(locked: RunningServer, method: str, path: str, body: Any, status: int) -> None:
    reply = httpx.request(method, f"{locked.url}{path}", json=body, headers={"x-api-key": KEY})
    assert reply.status_code == status
    assert len(reply.headers.get_list("x-request-id")) == 1
    assert httpx.request(method, f"{locked.url}/v1/models").headers["x-request-id"]  # a 401


def test_every_route_needs_the_key(locked: RunningServer) -> None:
    """Whatever route there is, of whichever plugin, and those that are not there either."""
    good = {"authorization": f"Bearer {KEY}"}
    paths = httpx.get(f"{locked.url}/openapi.json", headers=good).json()["paths"]
    public = {("get", "/"), ("get", "/health"), ("get", "/ping"), ("post", "/ping"), ("get", "/docs")}
    tried = 0
    for path, methods in [*paths.items(), ("/nowhere", {"get": None, "post": None})]:
        for method in methods:
            reply = httpx.request(method, f"{locked.url}{path}")
            if (method, path) in public:
                assert reply.status_code == 200
                continue
            error = check_error(reply, 401)
            assert error["type"] == "authentication_error"
            assert reply.headers["www-authenticate"] == "Bearer"
            tried += 1
    assert tried >= 8


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bearer {KEY}"}, 200),
        ({"authorization": "Bearer key-2"}, 200),
        ({"x-api-key": KEY}, 200),
        ({"authorization": f"Basic {KEY}"}, 401),
        ({"authorization": "Bearer nope"}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": KEY}, 401),
        ({"x-api-key": "nope"}, 401),
        ({"authorization": "Bearer \xe9"}, 401),
        ({}, 401),
        ({"authorization": "Bearer EMPTY", "x-api-key": KEY}, 200),
        ({"authorization": "Bearer x", "x-api-key": "y"}, 401),
        ({"authorization": f"Bearer {KEY}", "x-api-key": "nope"}, 200),
        ({"authorization": "Bearer", "x-api-key": ""}, 401),
    ],
    ids=str,
)
def test_keys(locked: RunningServer, headers: dict[str, str], status: int) -> None:
    encoded = {k: v.encode("latin-1") for k, v in headers.items()}
    assert httpx.get(f"{locked.url}/v1/models", headers=encoded).status_code == status


def test_body_limit(locked: RunningServer) -> None:
    headers = {"x-api-key": KEY}
    url = f"{locked.url}/v1/completions"
    big = json.dumps({**BODY, "prompt": "x" * 30_000}).encode()
    declared = httpx.post(url, content=big, headers={**headers, "content-type": "application/json"})
    assert check_error(declared, 413)["code"] == "body_too_large"

    def pieces() -> Iterator[bytes]:
        for i in range(0, len(big), 4096):
            yield big[i : i + 4096]

    chunked = httpx.post(url, content=pieces(), headers={**headers, "content-type": "application/json"})
    check_error(chunked, 413)
    assert httpx.post(url, json=BODY, headers=headers).status_code == 200


def test_unknown_fields_can_be_refused(locked: RunningServer) -> None:
    reply = httpx.post(f"{locked.url}/v1/completions", json={**BODY, "nope": 1}, headers={"x-api-key": KEY})
    assert check_error(reply, 400)["param"] == "nope"


def test_documentation_loads_nothing_from_outside(server: RunningServer) -> None:
    page = httpx.get(f"{server.url}/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    api = httpx.get(f"{server.url}/openapi.json").json()
    assert {"/v1/completions", "/v1/chat/completions", "/v1/models", "/v1/models/{model}", "/health"} <= set(
        api["paths"]
    )
    chat = api["components"]["schemas"]["ChatRequest"]
    assert chat["required"] == ["messages"]
    assert "temperature" in chat["properties"]


def test_version_and_health(server: RunningServer) -> None:
    from frameworkctl import __version__

    assert httpx.get(f"{server.url}/version").json() == {"version": __version__}
    health = httpx.get(f"{server.url}/health")
    assert health.status_code == 200
    assert {m["state"] for m in health.json()["models"].values()} == {"ready"}
    assert httpx.get(f"{server.url}/ping").status_code == httpx.post(f"{server.url}/ping").status_code == 200


def refused(url: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as caught:
        websockets.sync.client.connect(url, additional_headers=headers or {})
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"{}")["error"]


def test_websockets_are_refused_in_the_same_shape(server: RunningServer, locked: RunningServer) -> None:
    status, error = refused(f"ws://127.0.0.1:{server.port}/v1/completions")
    assert (status, error["code"]) == (404, "not_found")
    status, error = refused(f"ws://127.0.0.1:{locked.port}/anything")
    assert (status, error["type"]) == (401, "authentication_error")
    status, error = refused(f"ws://127.0.0.1:{locked.port}/anything", {"x-api-key": KEY})
    assert (status, error["code"]) == (404, "not_found")


def test_an_idle_connection_outlives_what_clients_keep(server: RunningServer) -> None:
    """httpx keeps one for 5 s: a server that closed it then would break a request now and then."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port)
    for pause in (6, 0):
        connection.request("GET", "/health")
        assert connection.getresponse().read()
        kept = connection.sock
        time.sleep(pause)
    assert kept is not None
    assert connection.sock is kept
    connection.close()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"top_k": 2**31}, "top_k"),
        ({"top_k": 2**63}, "top_k"),
        ({"top_k": 2**64}, "top_k"),
        ({"top_k": 10**400}, "top_k"),
        ({"seed": 2**64}, "seed"),
        ({"n": 2**64}, "n"),
        ({"max_tokens": 2**64}, "max_tokens"),
        ({"min_tokens": 2**64}, "min_tokens"),
        ({"priority": 2**64}, "priority"),
        ({"temperature": 10**400}, "temperature"),
        ({"stop_token_ids": [2**64]}, "stop_token_ids"),
        ({"allowed_token_ids": [2**70]}, "allowed_token_ids"),
        ({"logit_bias": {str(2**70): 1}}, "logit_bias"),
        ({"prompt_logprobs": 2**64}, "prompt_logprobs"),
        ({"use_beam_search": True, "n": 2, "length_penalty": 1e308}, "length_penalty"),
        ({"truncate_prompt_tokens": 2**64}, "truncate_prompt_tokens"),
    ],
)
def test_numbers_beyond_64_bits_are_refused_and_leave_nothing_behind(
    server: RunningServer, fields: dict[str, Any], param: str
) -> None:
    error = check_error(httpx.post(f"{server.url}/v1/completions", json={**BODY, **fields}), 400)
    assert error["param"] == param
    assert httpx.post(f"{server.url}/v1/completions", json={**BODY, "temperature": 0}).status_code == 200
