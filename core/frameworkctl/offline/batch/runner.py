"""Runs a batch file through the server's own application, without a socket: every endpoint works as it does there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any, BinaryIO

import msgspec

from frameworkctl.config import Options
from frameworkctl.errors import ConfigError, RequestError
from frameworkctl.logs import LINE_INTERVAL
from frameworkctl.offline.progress import Progress
from frameworkctl.offline.workload import work_through
from frameworkctl.plugins import PluginHost
from frameworkctl.server.calls.service import Service
from frameworkctl.server.engines.supervisor import NurseryProcess
from frameworkctl.server.http.app import build_app
from frameworkctl.server.http.header_names import LOOSENED_SCHEMA, UNKNOWN_FIELDS
from frameworkctl.server.startup import started

from .asgi import Answer, post
from .files import OutputFile, numbered_lines
from .lines import LINE_ID, BatchAnswer, BatchRequest, answer, name_of, read_request, refusal, refuse_stream

log = logging.getLogger("frameworkctl.batch")

AHEAD = 2  # requests under way for each sequence that can run, so that the batch is always full
TRIES = 3  # of a request that an engine's death took along
SHOW = 0.2  # seconds between two looks at the progress


async def run_batch(
    options: Options,
    host: PluginHost,
    nursery: NurseryProcess,
    lines: BinaryIO,
    output: OutputFile,
    total: int | None,
    most: int | None,
) -> None:
    """Answer every line that ``output`` has no answer to. ``total`` lines, at most ``most`` under way at once.

    Raises:
        ConfigError: a model cannot be run, or a file not be read or written.
    """
    async with started(options, host, nursery) as service:
        await service.supervisor.wait_ready()
        models = dict.fromkeys(service.models.values())
        for model in models:
            model.settings.max_num_queued_reqs = -1  # the file is the queue
        most = most or AHEAD * sum(m.settings.max_num_seqs for m in models)
        with Progress("Requests", total, shown=None, begun=min(len(output.done), total or 0)) as progress:
            batch = Batch(service, output, progress)
            showing = asyncio.ensure_future(_show(progress, total))
            try:
                await work_through(batch.wanted(lines), most, batch.one)
            finally:
                showing.cancel()


async def _show(progress: Progress, total: int | None) -> None:
    """Show a bar at a terminal, else a line now and then."""
    told = time.monotonic()
    while True:
        await asyncio.sleep(SHOW)
        progress.show()
        if not sys.stderr.isatty() and time.monotonic() - told >= LINE_INTERVAL:
            told = time.monotonic()
            log.info("%d%s requests are answered", progress.done, "" if total is None else f" of {total}")


class Batch:
    """One run over one file."""

    def __init__(self, service: Service, output: OutputFile, progress: Progress) -> None:
        self.service, self.output, self.progress = service, output, progress
        self.app: Any = build_app(service)
        self._given: set[str] = set()  # custom_ids of this input
        self._again = asyncio.Lock()  # what may have killed an engine is tried again alone
        self._told: set[tuple[str, str]] = set()

    async def wanted(self, lines: BinaryIO) -> AsyncIterator[tuple[int, BatchRequest]]:
        """Requests that have no answer yet; a line that is none is answered here."""
        async for number, line in numbered_lines(lines):
            id_ = f"{LINE_ID}{number}"
            name = name_of(line)
            key = id_ if name is None or name in self._given else name
            twice = name is not None and key == id_
            if name is not None:
                self._given.add(name)
            if key in self.output.done:
                continue
            try:
                if twice:
                    raise RequestError(
                        f"custom_id {name!r:.80} was given before.", param="custom_id", code="duplicate_custom_id"
                    )
                request = read_request(line)
            except RequestError as e:
                self._write(refusal(name, e, id_=id_ if key == id_ else None))
            else:
                yield number, request

    async def one(self, numbered: tuple[int, BatchRequest]) -> None:
        """Answer one request, whatever it comes to."""
        number, request = numbered
        request_id, body = uuid.uuid4().hex, bytes(request.body)
        try:
            refuse_stream(body)
        except RequestError as e:
            self._write(refusal(request.custom_id, e))
            return
        got = await post(self.app, request.url, body, request_id)
        if _worth_another(got):
            async with self._again:
                for _ in range(TRIES - 1):
                    await self._engines()
                    got = await post(self.app, request.url, body, request_id)
                    if not _worth_another(got):
                        break
        self._tell_unknown(number, got)
        self._write(answer(request.custom_id, got.status, request_id, _content(got)))

    async def _engines(self) -> None:
        """Wait for an engine that is being started again; if it cannot start, the answer reports it."""
        with contextlib.suppress(ConfigError):
            await self.service.supervisor.wait_ready()

    def _write(self, line: BatchAnswer) -> None:
        self.output.write(line)
        self.progress.count()

    def _tell_unknown(self, number: int, got: Answer) -> None:
        for header, what in ((UNKNOWN_FIELDS, "unknown fields are ignored"), (LOOSENED_SCHEMA, "schemas are loosened")):
            names = got.headers.get(header)
            if names is not None and (header, names) not in self._told:
                self._told.add((header, names))
                log.warning("line %d: %s: %s (said once)", number, what, names)


def _worth_another(got: Answer) -> bool:
    """Return whether the engine was down, died of the request, or (429) had no room."""
    return got.status in (429, 503) or (got.status == 500 and b'"engine_died"' in got.body)


def _content(got: Answer) -> Any:
    """JSON as it is, text as a string; bytes that are neither cannot be told in a line of JSON."""
    kind = got.headers.get("content-type", "").partition(";")[0]
    if kind == "application/json":
        return msgspec.json.decode(got.body)
    try:
        return got.body.decode()
    except UnicodeDecodeError:
        return f"({len(got.body)} bytes of {kind or 'an unknown type'})"
