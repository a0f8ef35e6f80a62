"""Everything that passes between server and engines: msgpack frames, one tagged Struct per event; never pickle."""

from __future__ import annotations

from typing import Any

import msgspec

from frameworkctl.config import EngineConfig
from frameworkctl.interfaces.pooling import PoolParams
from frameworkctl.params import SamplingParams
from frameworkctl.plugins.records import LoadedPlugin
from frameworkctl.scheduling.plan import PromptScores as PromptScores  # it travels in these messages

# -- server to engine


class Start(msgspec.Struct, tag="start", array_like=True):
    """The first message: what to run, and exactly these plugins."""

    config: EngineConfig
    plugins: list[LoadedPlugin]


class Generate(msgspec.Struct, tag="gen", array_like=True):
    """Continue a prompt (int32 bytes) ``params.n`` times. ``extras`` keep its prefix cache apart; ``open``: more
    follows. ``embeds`` are rows in the model's type for the tokens that are -1.
    """

    id: int
    tokens: bytes
    params: SamplingParams
    seed: int
    priority: int = 0
    extras: dict[str, str] | None = None
    open: bool = False
    embeds: bytes | None = None
    call: int | None = None  # requests of one call take turns with those of others; None: it is one by itself


class Pool(msgspec.Struct, tag="pool", array_like=True):
    """Pool texts of a request, of which more may follow: their numbers, their ids (int32 bytes, back to back), how many
    those are of each, where second texts begin (empty: nowhere).
    """

    id: int
    numbers: list[int]
    tokens: bytes
    lengths: list[int]
    seconds: list[int]
    params: PoolParams
    priority: int = 0
    extras: dict[str, str] | None = None
    call: int | None = None


class Append(msgspec.Struct, tag="app", array_like=True):
    """More prompt for an open request."""

    id: int
    tokens: bytes
    final: bool


class Abort(msgspec.Struct, tag="abort", array_like=True):
    """End a request, or (``index`` >= 0) one of its sequences; nothing more is heard of it."""

    id: int
    index: int = -1


class Ask(msgspec.Struct, tag="ask", array_like=True):
    """Check the engine's integrity and count its pages; answered by ``Answer``."""

    id: int


class ReadEmbeds(msgspec.Struct, tag="embeds", array_like=True):
    """Make rows ``[tokens, hidden_size]`` of a request's file; answered by ``Answer``: ``embeds`` and ``tokens``, or
    ``error``.
    """

    id: int
    data: bytes
    hidden_size: int
    max_tokens: int


class Stop(msgspec.Struct, tag="stop", array_like=True):
    """Exit; what is running is dropped."""


ToEngine = Start | Generate | Pool | Append | Abort | Ask | ReadEmbeds | Stop

# -- engine to server


class Loading(msgspec.Struct, tag="loading", array_like=True):
    """Weights read so far, in bytes."""

    done: int
    total: int


class EngineInfo(msgspec.Struct):
    """Facts of a started engine."""

    pid: int
    dtype: str
    device: str
    backend: str
    threads: int
    pages: int
    page_tokens: int
    cache_bytes: int
    cache_tokens: int  # in sequences of full length
    parameters: int
    asynchronous: bool


class Ready(msgspec.Struct, tag="ready", array_like=True):
    info: EngineInfo


class Fatal(msgspec.Struct, tag="fatal", array_like=True):
    """The engine cannot start, and why."""

    message: str


class EngineLoad(msgspec.Struct, array_like=True):
    """Load of the engine after a step; counters since its start."""

    running: int = 0
    waiting: int = 0
    free_pages: int = 0
    total_pages: int = 0
    preemptions: int = 0
    cache_query_tokens: int = 0
    cache_hit_tokens: int = 0
    steps: int = 0
    draft_tokens: int = 0
    accepted_draft_tokens: int = 0


class Row(msgspec.Struct, array_like=True):
    """News of one sequence. ``logprobs``: of the token, ids of the top, their logprobs. ``cached`` is prompt tokens
    found in the prefix cache, told with the first row; ``scores`` come chunk by chunk, before it or with it."""

    id: int
    index: int
    token: int | None
    logprobs: tuple[float, list[int], list[float]] | None = None
    reason: str | None = None
    stop_reason: int | None = None
    error: str | None = None
    cached: int = 0
    scores: PromptScores | None = None
    refused: bool = False  # ``error`` is the request's own fault: HTTP 400


class Pooled(msgspec.Struct, array_like=True):
    """Texts of one request that a step has ended: their numbers, their float32 vectors back to back, of ``width``.

    ``rows`` are vectors of each, empty where the task gives one. ``cached`` is tokens found in the prefix cache.
    """

    id: int
    numbers: list[int]
    data: bytes
    width: int
    rows: list[int]
    cached: int


class Outputs(msgspec.Struct, tag="out", array_like=True):
    """One message per step."""

    rows: list[Row]
    load: EngineLoad
    pooled: list[Pooled] = []


class Answer(msgspec.Struct, tag="answer", array_like=True):
    id: int
    data: dict[str, Any]


FromEngine = Loading | Ready | Fatal | Outputs | Answer

# -- nursery to server


class Forked(msgspec.Struct, tag="forked"):
    key: int
    pid: int


class Exited(msgspec.Struct, tag="exited"):
    """A child is gone. ``status`` as ``os.waitstatus_to_exitcode`` gives it: negative for a signal."""

    pid: int
    status: int


FromNursery = Forked | Exited
