"""A Hugging Face Hub on 127.0.0.1: repositories are folders; only what a client needs to download a snapshot."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMITS = {"main": "a" * 40, "v2": "b" * 40}


class FakeHub:
    """``repos``: id -> revision -> folder. ``requests`` are the paths that were asked for; ``token`` guards all."""

    def __init__(self, repos: dict[str, dict[str, Path]], token: str | None = None) -> None:
        self.repos, self.token = repos, token
        self.requests: list[str] = []
        self.url = ""

    def folder(self, repo: str, revision: str) -> tuple[Path, str] | None:
        for name, folder in self.repos.get(repo, {}).items():
            if revision in (name, COMMITS[name]):
                return folder, COMMITS[name]
        return None


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.token is not None and self.headers.get("authorization") != f"Bearer {self.hub.token}":
            self.reply(401, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
        elif path.startswith("/api/models/"):
            self.api(path.removeprefix("/api/models/"), body)
        elif "/resolve/" in path:
            self.file(path, body)
        else:
            self.reply(404, b"{}", {}, body)

    def api(self, path: str, body: bool) -> None:
        parts = path.split("/")
        repo, rest = "/".join(parts[:2]), parts[2:]
        revision = rest[1] if len(rest) > 1 else "main"
        if repo not in self.hub.repos:
            return self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
        found = self.hub.folder(repo, revision)
        if found is None:
            return self.reply(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
        folder, commit = found
        files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        if rest and rest[0] == "tree":
            tree = [{"type": "file", "path": f, "size": (folder / f).stat().st_size, "oid": "0" * 40} for f in files]
            return self.reply(200, json.dumps(tree).encode(), {}, body)
        info = {"id": repo, "sha": commit, "siblings": [{"rfilename": f} for f in files], "private": False}
        return self.reply(200, json.dumps(info).encode(), {}, body)

    def file(self, path: str, body: bool) -> None:
        repo, _, rest = path.strip("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        found = self.hub.folder(repo, revision)
        if found is None or not (found[0] / name).is_file():
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound"}, body)
        data = (found[0] / name).read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": found[1]}
        return self.reply(200, data, headers, body)

    def reply(self, status: int, data: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)


@contextmanager
def serve_hub(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve until the block ends; the address is in ``hub.url``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
