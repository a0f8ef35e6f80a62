"""Hostile requests: every field of every route with values that nobody should send. One seed gives one corpus."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Document = Mapping[str, Any]  # of /openapi.json

MESSAGES = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
BASES: dict[str, dict[str, Any]] = {  # for each route a request that is right
    "/v1/chat/completions": {"model": "chat", "messages": MESSAGES, "max_tokens": 2},
    "/v1/completions": {"model": "chat", "prompt": "a", "max_tokens": 2},
    "/v1/embeddings": {"model": "embedder", "input": "a"},
    "/v2/embed": {"model": "embedder", "texts": ["a"]},
    "/pooling": {"model": "embedder", "input": "a"},
    "/classify": {"model": "classifier", "input": "a"},
    "/score": {"model": "classifier", "text_1": "a", "text_2": "b"},
    "/rerank": {"model": "classifier", "query": "a", "documents": ["b"]},
    "/tokenize": {"model": "chat", "prompt": "a"},
    "/detokenize": {"model": "chat", "tokens": [5]},
}
# Objects inside a request, each where it is valid, so that its fields are tried one by one too.
INNER: list[tuple[str, dict[str, Any], list[str | int]]] = [
    ("/v1/chat/completions", {"stream": True, "stream_options": {"include_usage": True}}, ["stream_options"]),
    ("/v1/completions", {"stream": True, "stream_options": {"include_usage": True}}, ["stream_options"]),
    ("/v1/chat/completions", {"response_format": {"type": "json_object"}}, ["response_format"]),
    (
        "/v1/chat/completions",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
        ["response_format", "json_schema"],
    ),
    ("/v1/chat/completions", {"structured_outputs": {"choice": ["a", "b"]}}, ["structured_outputs"]),
    ("/v1/completions", {"structured_outputs": {"regex": "a+"}}, ["structured_outputs"]),
    ("/v1/chat/completions", {"tools": [TOOL]}, ["tools", 0]),
    ("/v1/chat/completions", {"tools": [TOOL]}, ["tools", 0, "function"]),
    ("/v1/chat/completions", {"messages": MESSAGES}, ["messages", 0]),
    (
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]},
        ["messages", 0, "content", 0],
    ),
]
INNER_FIELDS = {
    "messages": ("role", "content", "name", "tool_calls", "tool_call_id", "reasoning", "refusal", "audio"),
    "content": ("type", "text", "image_url", "input_audio", "refusal"),
}


def values() -> dict[str, str]:
    """Return name -> JSON text, some of which no JSON library would write."""
    named = {
        str(i): text
        for i, text in enumerate(
            (
                "null",
                "true",
                "false",
                "0",
                "-1",
                "1",
                "2147483648",
                "9223372036854775807",
                "9223372036854775808",
                "18446744073709551616",
                "-9223372036854775809",
                "0.5",
                "-0.0",
                "1e308",
                "-1e308",
                "1e999",
                "NaN",
                "-Infinity",
                '""',
                '"x"',
                '"5"',
                '"\\u0000"',
                '"\\ud800"',
                '"\\n\\r\\u001b[2J"',
                "[]",
                "[null]",
                "[[]]",
                "[1.5]",
                "[-1]",
                "{}",
                '{"a": 1}',
                '{"type": ["a"]}',
                '[{"type": "x"}]',
                '{"$ref": "#"}',
            )
        )
    }
    return {
        **named,
        "huge integer": "9" * 400,
        "long text": '"' + "a" * 50_000 + '"',
        "many numbers": "[" + "1," * 9_999 + "1]",
        "many texts": "[" + '"a",' * 9_999 + '"a"]',
        "deep list": "[" * 900 + "]" * 900,
        "deeper list": "[" * 50_000 + "]" * 50_000,
        "deep object": '{"a":' * 900 + "1" + "}" * 900,
        "long key": '{"' + "k" * 50_000 + '": 1}',
        "same key twice": '{"a": 1, "a": 2}',
        "not JSON": "{,}",
    }


class Hostile(NamedTuple):
    """A request; ``name`` says what is wrong with it."""

    name: str
    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = {}


def fields_of(document: Document, path: str) -> list[str]:
    """Return the fields of the Struct that a route's body is decoded into."""
    content = document["paths"][path]["post"].get("requestBody", {}).get("content", {})
    reference = content["application/json"]["schema"]["$ref"]
    return sorted(document["components"]["schemas"][reference.rpartition("/")[2]]["properties"])


def with_raw(body: Mapping[str, Any], field: str, text: str) -> bytes:
    """Return the body as JSON with ``text`` as it is in the place of a field."""
    rest = json.dumps({k: v for k, v in body.items() if k != field})[1:-1]
    return f"{{{rest}{', ' if rest else ''}{json.dumps(field)}: {text}}}".encode("utf-8", "surrogatepass")


def _inside(value: Any, path: list[str | int], field: str, text: str) -> str:
    """Return ``value`` as JSON with ``text`` at the field of the object that the path leads to."""
    if not path:
        return with_raw(value, field, text).decode("utf-8", "surrogatepass")
    if isinstance(path[0], int):
        items = [
            _inside(item, path[1:], field, text) if i == path[0] else json.dumps(item) for i, item in enumerate(value)
        ]
        return "[" + ", ".join(items) + "]"
    return with_raw(value, path[0], _inside(value[path[0]], path[1:], field, text)).decode("utf-8", "surrogatepass")


def one_field(document: Document) -> Iterator[Hostile]:
    """Every field of every route, with every value."""
    for path, base in _routes(document):
        for field in (*fields_of(document, path), "no_such_field"):
            for name, text in values().items():
                yield Hostile(f"{path} {field} = {name}", "POST", path, with_raw(base, field, text))


def _routes(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        if "requestBody" not in operations.get("post", {}):
            continue
        base = BASES.get(path) or BASES.get(path.removeprefix("/v1")) or BASES.get(path.removeprefix("/v2"))
        assert base is not None, f"{path} has no right request here"
        yield path, base


def inner_fields(document: Document) -> Iterator[Hostile]:
    """Fields of objects inside a request."""
    schemas = document["components"]["schemas"]
    for path, extra, where in INNER:
        last = [key for key in where if isinstance(key, str)][-1]
        struct = {
            "stream_options": "StreamOptions",
            "response_format": "ResponseFormat",
            "json_schema": "JsonSchemaFormat",
            "structured_outputs": "StructuredOutputs",
            "tools": "ToolField",
            "function": "FunctionField",
        }.get(last)
        fields = INNER_FIELDS[last] if struct is None else sorted(schemas[struct]["properties"])
        for field in fields:
            for name, text in values().items():
                body = _inside({**BASES[path], **extra}, where, field, text)
                yield Hostile(f"{path} {where} {field} = {name}", "POST", path, body.encode("utf-8", "surrogatepass"))


def pairs(document: Document, count: int, seed: int) -> Iterator[Hostile]:
    """Two wrong or odd fields at once."""
    draw = random.Random(seed)
    routes, texts = list(_routes(document)), list(values().items())
    for _ in range(count):
        path, base = draw.choice(routes)
        first, second = draw.sample(fields_of(document, path), 2)
        (name, text), (other, more) = draw.choice(texts), draw.choice(texts)
        body = with_raw(base, first, text).decode("utf-8", "surrogatepass")
        body = f"{body[:-1]}, {json.dumps(second)}: {more}}}"
        yield Hostile(
            f"{path} {first} = {name}, {second} = {other}", "POST", path, body.encode("utf-8", "surrogatepass")
        )


def bodies(document: Document, seed: int) -> Iterator[Hostile]:
    """Bodies that are cut, damaged, of another kind or for another method, and paths that are none."""
    draw = random.Random(seed)
    for path, base in _routes(document):
        whole = json.dumps(base).encode()
        for cut in range(0, len(whole), 3):
            yield Hostile(f"{path} cut at {cut}", "POST", path, whole[:cut])
        for _ in range(10):
            at = draw.randrange(len(whole))
            yield Hostile(f"{path} damaged at {at}", "POST", path, whole[:at] + draw.randbytes(3) + whole[at + 1 :])
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x" * 3000, ";;;"):
            yield Hostile(f"{path} as {kind[:30]}", "POST", path, whole, {"content-type": kind})
        for encoding in ("gzip", "br", "deflate", "identity, gzip", "\x0b"):
            yield Hostile(f"{path} encoded {encoding!r}", "POST", path, whole, {"content-encoding": encoding})
        for body in (
            b"[]",
            b"null",
            b'"x"',
            b"1",
            b"\xff\xfe",
            b"\xef\xbb\xbf{}",
            b"{}{}",
            b" " * 100_000,
            b"\x00" * 99,
        ):
            yield Hostile(f"{path} body {body[:10]!r}", "POST", path, body)
    for path in (
        *document["paths"],
        "/",
        "/docs",
        "/nope",
        "/v1",
        "/v1/models/" + "x" * 5000,
        "/v1/models/%00",
        "/%2e%2e/",
    ):
        for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "POST", "BREW"):
            yield Hostile(f"{method} {path[:60]}", method, path)
    for header in ("authorization", "x-request-id", "traceparent", "accept", "origin", "cookie", "x-api-key"):
        for value in ("", "x" * 8000, "\x0b", "Bearer", "Bearer  ", "\xff", "a,b;c=d", "'"):
            yield Hostile(f"{header}: {value[:20]!r}", "POST", "/tokenize", b'{"prompt": "a"}', {header: value})


def whole_corpus(document: Document, seed: int = 0) -> list[Hostile]:
    """Return all of them, in an order of chance."""
    found = [*one_field(document), *inner_fields(document), *pairs(document, 1500, seed), *bodies(document, seed)]
    random.Random(seed).shuffle(found)
    return found
