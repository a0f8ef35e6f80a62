"""Finds out what a server understands: its models, whether it takes token ids, which fields it refuses."""

from __future__ import annotations

from typing import Any

import msgspec

from frameworkctl.errors import ConfigError

from .http import Broken, Connection, Target
from .stream import Refused, Stream, Timing, message_of
from .workload import WORDS, Dialect, Workload, prompt

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
WANTED: dict[str, Any] = {
    "temperature": 0,
    "ignore_eos": True,
    "stream": True,
    "stream_options": {"include_usage": True},
}
OPTIONAL = ("ignore_eos", "stream_options", "temperature")  # a server may refuse these
FEW, MANY = 16, 80  # words of two prompts whose lengths in tokens tell the tokens of a word
LEAST_IDS = 32  # fewer different tokens would make prompts that are hardly text


async def find_dialect(
    connection: Connection,
    target: Target,
    load: Workload,
    *,
    path: str,
    model: str | None,
    ids: range | None,
    extra: dict[str, Any],
) -> Dialect:
    """Ask until a request is answered. ``ids``: make prompts of these; else of what the server's tokenizer knows.

    Raises:
        ConfigError: the server cannot be reached, or refuses even the plainest request.
    """
    try:
        name = model or await _first_model(connection, target)
        dialect = Dialect(model=name, path=path, fields={**WANTED, **extra})
        if ids is not None:
            dialect.ids = list(ids)
        elif not dialect.is_chat:
            dialect.ids = await _token_pool(connection, target, name)
        await _agree(connection, target, load, dialect)
        if dialect.ids is None:
            await _calibrate(connection, target, load, dialect)
    except (Broken, Refused) as e:
        raise ConfigError(str(e)) from None
    return dialect


async def send_one(connection: Connection, target: Target, dialect: Dialect, body: dict[str, Any]) -> Timing:
    """Raise Refused, whose text is the server's; Broken."""
    pieces: list[bytes] = []
    status = await connection.request(target.post(dialect.path, body), lambda piece, now: pieces.append(piece))
    if status != 200:
        raise Refused(f"HTTP {status}: {message_of(b''.join(pieces))}")
    stream = Stream()
    for piece in pieces:
        stream.feed(piece, 0.0)
    return stream.timing(0.0, 0.0)


async def _first_model(connection: Connection, target: Target) -> str:
    status, body = await connection.fetch(target.get("/v1/models"))
    if status != 200:
        raise ConfigError(f"{target.url}/v1/models: HTTP {status}: {message_of(body)}; name the model with --model")
    try:
        return str(msgspec.json.decode(body)["data"][0]["id"])
    except (msgspec.DecodeError, KeyError, IndexError, TypeError):
        raise ConfigError(f"{target.url} does not say which models it serves; name one with --model") from None


async def _token_pool(connection: Connection, target: Target, model: str) -> list[int] | None:
    """Return tokens of common words, where the server tokenizes (ours, vLLM and llama.cpp do)."""
    text = " ".join(WORDS)
    body = {"model": model, "prompt": text, "content": text, "add_special_tokens": False}
    status, answer = await connection.fetch(target.post("/tokenize", body))
    if status != 200:
        return None
    try:
        found = msgspec.json.decode(answer)["tokens"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return None
    ids = sorted({i for i in found if isinstance(i, int)}) if isinstance(found, list) else []
    return ids if len(ids) >= LEAST_IDS else None


async def _agree(connection: Connection, target: Target, load: Workload, dialect: Dialect) -> None:
    """Drop what is refused, one thing at a time, until a request of one token is answered."""
    while True:
        try:
            await send_one(connection, target, dialect, dialect.body(prompt(load, dialect, "probe", "0"), 1))
        except Refused as e:
            said = str(e)
            if not said.startswith(("HTTP 400", "HTTP 422")) or not _give_in(dialect, said):
                raise
        else:
            return


def _give_in(dialect: Dialect, said: str) -> bool:
    """Return whether there was something to change."""
    if "max_completion_tokens" in said and dialect.length_field == "max_tokens":
        dialect.length_field = "max_completion_tokens"
        return True
    for name in OPTIONAL:
        if name in said and name in dialect.fields:
            del dialect.fields[name]
            dialect.notes.append(f"the server refuses {name}: {said}")
            return True
    if dialect.ids is not None:
        dialect.ids = None
        dialect.notes.append(f"the server refuses token ids, so prompt lengths are approximate: {said}")
        return True
    return False


async def _calibrate(connection: Connection, target: Target, load: Workload, dialect: Dialect) -> None:
    """Measure how many tokens a word has, and how many come with every prompt."""
    counts = []
    for number, words in enumerate((FEW, MANY)):
        text = prompt(Workload(input_len=words, seed=load.seed), dialect, "calibration", str(number))
        timing = await send_one(connection, target, dialect, dialect.body(text, 1))
        counts.append(timing.input_tokens)
    if counts[1] > counts[0] > 0:
        dialect.tokens_per_word = (counts[1] - counts[0]) / (MANY - FEW)
        dialect.overhead = max(0.0, counts[0] - FEW * dialect.tokens_per_word)
    else:
        dialect.notes.append(
            "the server does not count tokens: a word is taken for one, and so is a piece of an answer"
        )
