"""Pages of other origins, monitors and people who type an address: CORS, HEAD, the page at /, hints of a 404."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e
KEY = "k"
SITE = "https://chat.example.com"
LOCAL = "http://localhost:3000"


@pytest.fixture(scope="module")
def named(checkpoints: dict[str, Path]) -> Iterator[RunningServer]:
    """A server with a key, which lets in the pages of one site."""
    args = [str(checkpoints["llama"]), "--served-model-name", "a", "--dtype", "float32", "--api-key", KEY]
    server = start_server([*args, "--allowed-origins", f'["{SITE}"]', "--allow-credentials"])
    yield server
    server.stop()


def preflight(server: RunningServer, origin: str) -> httpx.Response:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    return httpx.options(f"{server.url}/v1/chat/completions", headers={"Origin": origin, **asked})


@pytest.mark.parametrize("origin", [LOCAL, "http://127.0.0.1:5173", "https://[::1]", "http://localhost"])
def test_pages_of_this_machine_are_let_in(server: RunningServer, origin: str) -> None:
    reply = preflight(server, origin)
    assert reply.status_code == 204
    assert reply.headers["access-control-allow-origin"] == origin
    assert reply.headers["access-control-allow-headers"] == "authorization,content-type"
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in reply.headers


@pytest.mark.parametrize(
    "origin",
    [
        SITE,
        "null",
        "http://localhost.example.com",
        "http://localhost:3000.example.com",
        "http://127.0.0.2",
        "http://evil.com/http://localhost",
        "file://localhost",
        "http://user@localhost",
    ],
)
def test_others_are_not(server: RunningServer, origin: str) -> None:
    for reply in (preflight(server, origin), httpx.get(f"{server.url}/v1/models", headers={"Origin": origin})):
        assert not [name for name in reply.headers if name.startswith("access-control")]
        assert "Origin" in reply.headers["vary"]


def test_a_list_replaces_the_default(named: RunningServer) -> None:
    reply = preflight(named, SITE)  # without the key
    assert reply.status_code == 204
    assert reply.headers["access-control-allow-origin"] == SITE
    assert reply.headers["access-control-allow-credentials"] == "true"
    assert "access-control-allow-origin" not in preflight(named, LOCAL).headers


def test_every_kind_of_reply_can_be_read(named: RunningServer) -> None:
    own = {"Origin": SITE, "x-api-key": KEY}
    url, body = f"{named.url}/v1/completions", {"prompt": "a", "max_tokens": 2, "nope": 1}
    replies = [
        (401, httpx.get(f"{named.url}/v1/models", headers={"Origin": SITE})),
        (404, httpx.get(f"{named.url}/x", headers=own)),
        (405, httpx.get(url, headers=own)),
        (400, httpx.post(url, json={}, headers=own)),
        (200, httpx.post(url, json=body, headers=own)),
        (200, httpx.post(url, json={**body, "stream": True}, headers=own)),
    ]
    for status, reply in replies:
        assert reply.status_code == status
        assert reply.headers["access-control-allow-origin"] == SITE
        assert reply.headers["vary"] == "Origin"
        assert "x-request-id" in reply.headers["access-control-expose-headers"]
    assert "x-unknown-fields" in replies[-2][1].headers["access-control-expose-headers"]


def test_head_is_get_without_the_body(server: RunningServer) -> None:
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    tried = 0
    for path in [path for path, methods in paths.items() if "get" in methods and "{" not in path] + ["/v1/models/a"]:
        get, head = httpx.get(f"{server.url}{path}"), httpx.head(f"{server.url}{path}")
        assert (head.status_code, head.content) == (get.status_code, b"")
        for name in ("content-type", "content-length"):
            assert head.headers.get(name) == get.headers.get(name), path
        tried += 1
    assert tried >= 7
    refused = httpx.head(f"{server.url}/v1/completions")
    assert (refused.status_code, refused.content) == (405, b"")
    assert "HEAD" in httpx.delete(f"{server.url}/v1/models").headers["allow"]


def test_the_root(server: RunningServer) -> None:
    assert httpx.get(server.url, headers={"accept": "*/*"}).json()["docs"] == "/docs"
    page = httpx.get(server.url, headers={"accept": "text/html,*/*"}, follow_redirects=True)
    assert (page.url.path, page.status_code) == ("/docs", 200)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/models", "/v1/models"),
        ("/v1/v1/models", "/v1/models"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat", "/v1/chat/completions"),
        ("/api/v1/chat/completions", "/v1/chat/completions"),
        ("/api/chat", "/v1/chat/completions"),
        ("/openai/v1/completions", "/v1/completions"),
        ("/models/a", "/v1/models/a"),
        ("/v1/health", "/health"),
        ("/v1/chat/completion", "/v1/chat/completions"),
    ],
)
def test_what_was_meant(server: RunningServer, path: str, meant: str) -> None:
    error = httpx.post(f"{server.url}{path}", json={}).json()["error"]
    assert error["code"] == "not_found"
    assert f"did you mean {meant!r}?" in error["message"]


@pytest.mark.parametrize("path", ["/favicon.ico", "/" + "a/" * 5000, "/v1/%00"])
def test_what_nobody_can_guess(server: RunningServer, path: str) -> None:
    error = httpx.get(f"{server.url}{path}").json()["error"]
    assert "did you mean" not in error["message"]
    assert len(error["message"]) < 300
