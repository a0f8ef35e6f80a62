"""A model that pools by rule, for tests of what the endpoints ask and answer; no engine, no tokenizer."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from frameworkctl.interfaces import (
    Call,
    Endpoint,
    ModelInfo,
    PoolingInfo,
    PoolItem,
    PoolOutput,
    Prompt,
    Reply,
    RequestError,
    Usage,
)


def model(tasks: Sequence[str] = ("embed",), *, score_template: bool = False, **pooling: Any) -> Any:
    """A word is a token, its id the word's length; ``[`` and ``]`` (ids 1 and 2) stand around a text."""
    info = ModelInfo(
        architecture="Fake",
        tasks=frozenset(tasks),
        vocab_size=100,
        hidden_size=4,
        num_layers=1,
        max_model_len=64,
        pooling=PoolingInfo(**{"size": 4, "task": tasks[0], **pooling}),
    )
    return SimpleNamespace(
        name="m",
        info=info,
        max_model_len=64,
        score_template=score_template,
        encode_batch=encode_batch,
        encode_pair_batch=encode_pair_batch,
        cut_texts=cut_texts,
        render_chat=render_chat,
        tokenizer=SimpleNamespace(encode=lambda text, *, add_special_tokens=True: ids(text, add_special_tokens)),
    )


def ids(text: str, special: bool = True) -> list[int]:
    plain = [3 + len(word) for word in text.split()]
    return [1, *plain, 2] if special else plain


def encode_batch(texts: Sequence[Any], **options: Any) -> list[Prompt]:
    asked.append(options)
    special = options.get("add_special_tokens", True)
    out = [Prompt(ids(t, special) if isinstance(t, str) else t, t if isinstance(t, str) else None) for t in texts]
    if options.get("padding"):
        length = options.get("truncate") or 64
        out = [Prompt([*p.token_ids, *[0] * (length - len(p.token_ids))], p.text) for p in out]
    if not all(p.token_ids for p in out):
        raise RequestError("empty", param=options["param"])
    return out


def encode_pair_batch(pairs: Sequence[tuple[str, str]], **options: Any) -> list[tuple[Prompt, int]]:
    asked.append(options)
    return [(Prompt([*ids(q), *ids(d, False), 2]), len(ids(q))) for q, d in pairs]


def cut_texts(texts: Sequence[str], tokens: int) -> list[str]:
    return [" ".join(text.split()[:tokens]) for text in texts]


def render_chat(messages: Sequence[Any], **options: Any) -> Prompt:
    asked.append(options)
    text = " ".join(f"{m['role']}: {m['content']}" for m in messages)
    return Prompt(ids(f"{text} {json.dumps(options['template_kwargs'])}"), text)


asked: list[dict[str, Any]] = []  # options of the calls to a model, newest last
Pool = Callable[[PoolItem], Sequence[float] | Sequence[Sequence[float]]]


def counts(item: PoolItem) -> list[float]:
    """Tokens, sum of ids, whether activated, where the second text begins."""
    tokens, params = item.prompt.token_ids, item.params
    return [float(len(tokens)), float(sum(tokens)), float(params.activate), float(params.second)]


def reply(endpoint: Endpoint, body: Any, served: Any, pool: Pool = counts, path: str | None = None) -> Reply:
    """Parse, render, pool by rule, format. Raises RequestError."""
    route = next(r for r in endpoint.routes if path in (None, r.path))
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    call = Call(
        endpoint=endpoint,
        route=route,
        method="POST",
        path=route.path,
        path_params={},
        query={},
        headers={"content-type": "application/json"},
        body=data,
        request_id="rid",
        received=time.monotonic(),
    )
    request = endpoint.parse(call)
    assert endpoint.waits(request) in (True, False)
    work = endpoint.render(request, served)
    outputs = [pooled(i, item, pool(item)) for i, item in enumerate(work.pool)]
    usage = Usage(prompt_tokens=sum(len(item.prompt.token_ids) for item in work.pool))
    formatter: Any = endpoint.format(request, work, served, call)
    return formatter.pooled(outputs, usage)


def pooled(number: int, item: PoolItem, value: Sequence[Any]) -> PoolOutput:
    rows = value if item.params.task.startswith("token") else [value]
    flat = [x for row in rows for x in row]
    data = struct.pack(f"<{len(flat)}f", *flat)
    return PoolOutput(item=number, data=data, width=len(rows[0]), rows=len(rows) if rows is value else None)


def answer(endpoint: Endpoint, body: Any, served: Any, pool: Pool = counts, path: str | None = None) -> Any:
    """The reply's JSON."""
    return json.loads(msgspec.json.encode(msgspec.Raw(reply(endpoint, body, served, pool, path).body)))


def refusal(endpoint: Endpoint, body: Any, served: Any, **rest: Any) -> RequestError:
    """What the endpoint raises; it must be a 400 that names a field."""
    with pytest.raises(RequestError) as error:
        reply(endpoint, body, served, **rest)
    assert error.value.status == 400
    assert error.value.param
    return error.value
