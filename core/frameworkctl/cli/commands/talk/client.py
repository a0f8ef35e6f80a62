"""HTTP to a running server: json replies, event streams, and every failure as one line."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from frameworkctl.errors import ConfigError

CONNECT_TIMEOUT = 10.0  # seconds; an answer may take as long as it takes


class ServerError(ConfigError):
    """Error of a server, or of the connection to it."""


class Client:
    """The server at ``url`` (with or without ``/v1``). Raises ConfigError for a url that is none."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            self._host = ""
        if parts.scheme not in ("http", "https") or not self._host:
            raise ConfigError(f"--url: {url!r} is not http://HOST:PORT")
        self._tls = parts.scheme == "https"
        self._prefix = parts.path.rstrip("/").removesuffix("/v1")
        self.url = f"{parts.scheme}://{parts.netloc}{self._prefix}"
        self._headers = {"content-type": "application/json"}
        if api_key:
            self._headers["authorization"] = f"Bearer {api_key}"

    def models(self) -> list[str]:
        """Return names of what is served, in the server's order; only what generates text, if the server says what
        does.

        Raises:
            ServerError: nothing is served.
        """
        with self._request("GET", "/v1/models") as response:
            data = _json(response.read())
        served = {str(m["id"]): m.get("tasks") or ["generate"] for m in data.get("data", ())}
        if not served:
            raise ServerError(f"{self.url} serves no model")
        return [name for name, tasks in served.items() if "generate" in tasks] or list(served)

    def stream(self, path: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Events of a streamed answer. Closing the iterator closes the connection, and the server stops computing.

        Raises:
            ServerError: refused, broken off, or an error in the middle.
        """
        with self._request("POST", path, {**body, "stream": True}) as response:
            for line in iter(response.readline, b""):
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    return
                event = _json(data)
                if "error" in event:
                    raise ServerError(_message(event) or "the server reported an error")
                yield event
        raise ServerError("the server broke the answer off")

    @contextmanager
    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=CONNECT_TIMEOUT)
        response = None
        try:
            self._connect(connection)
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, self._prefix + path, data, self._headers)
            response = connection.getresponse()
            if response.status != 200:
                told = _message(_json(response.read()))
                raise ServerError(told or f"{self.url} answered {response.status} {response.reason}")
            yield response
        except (OSError, http.client.HTTPException, ValueError) as e:
            raise ServerError(f"the connection to {self.url} broke: {_reason(e)}") from e
        finally:
            if response is not None:
                response.close()
            connection.close()

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.connect()
        except OSError as e:
            hint = "is `frameworkctl serve` running there?"
            raise ServerError(f"cannot reach {self.url}: {_reason(e)}; {hint}") from e
        connection.sock.settimeout(None)


def _json(data: bytes) -> dict[str, Any]:
    """Return an object; empty for anything else."""
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _message(event: Mapping[str, Any]) -> str | None:
    """Return the text of an OpenAI error object, on one line."""
    error = event.get("error")
    text = error.get("message") if isinstance(error, dict) else error
    return " ".join(str(text).split()) if text else None


def _reason(e: Exception) -> str:
    return (getattr(e, "strerror", None) or str(e) or type(e).__name__).strip()
