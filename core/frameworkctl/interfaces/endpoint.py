"""Parts of an API family: routes, the stages of a request, and the engine as an endpoint sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec

from frameworkctl.errors import RequestError
from frameworkctl.interfaces.requests.decoding import decode_json
from frameworkctl.interfaces.requests.filters import NO_GUARD, Guard
from frameworkctl.interfaces.requests.outputs import Output, Payload, Reply, Usage
from frameworkctl.interfaces.requests.prompts import Prompt
from frameworkctl.params import SamplingParams

from .markers import API_VERSION
from .pooling import PoolFormatter, PoolItem, PoolOutput
from .served_model import ServedModel

T = TypeVar("T")


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method and path of a family. ``{name}`` and, for the rest of a path, ``{name:path}`` are parameters.

    ``request`` is the Struct its body is decoded into (None: no body); names that its Structs lack are reported.
    Fields of type ``Any`` declare names by ``msgspec.Meta(extra={"fields": list[SomeStruct]})``. ``public`` routes
    answer without an API key. ``max_body`` replaces the server's limit on the size of a body, in bytes."""

    method: str
    path: str
    request: type[Any] | None = None
    form: bool = False
    websocket: bool = False
    public: bool = False
    max_body: int | None = None
    summary: str = ""


class Call(msgspec.Struct, kw_only=True):
    """One HTTP request as it came in. Header names are lower case; ``received`` is ``time.monotonic()``.

    ``guard`` has the output filters of the call, from when its model is known.
    """

    endpoint: Endpoint
    route: Route
    method: str
    path: str
    path_params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    request_id: str
    received: float
    reply_headers: dict[str, str] = msgspec.field(default_factory=dict)  # a stage may add headers for the reply
    guard: Guard = NO_GUARD


class Search(Protocol):
    """Another way to continue a prompt than to sample token by token, such as beam search.

    Its outputs are whole sequences, which pass the filters and are counted as any; ``item`` in them is not looked at.
    """

    def run(self, item: GenerateItem, engine: EngineScope, model: ServedModel) -> AsyncGenerator[Output, None]: ...


class GenerateItem(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt to continue; ``params.n`` sequences come of it, or with a ``search`` ``width`` at most.

    Prompts share cached beginnings only with those of the same ``cache_salt``. ``priority``: lower goes first, where
    the scheduling policy looks at it.
    """

    prompt: Prompt
    params: SamplingParams
    priority: int = 0
    cache_salt: str | None = None
    search: Search | None = None
    width: int = 0

    @property
    def n(self) -> int:
        """Return the largest number of sequences."""
        return self.width or self.params.n


class Work(msgspec.Struct, kw_only=True):
    """Work that ``Endpoint.render`` asks of the engine: items, and whether the client wants them as a stream; or
    ``pool``.

    A stream's payloads then have ``stream_interval`` tokens of a sequence, but for its first and its last.
    """

    items: list[GenerateItem] = []
    pool: list[PoolItem] = []
    stream: bool = False
    stream_interval: int = 1


class Formatter(ABC):
    """Turns outputs into the family's answers. Synchronous, no I/O, one instance per call."""

    done: ClassVar[bytes | None] = b"[DONE]"

    @abstractmethod
    def delta(self, output: Output, usage: Usage) -> Iterable[Payload]:
        """Stream payloads for one output."""

    def end(self, usage: Usage) -> Iterable[Payload]:
        """Stream payloads after the last output, such as one with the usage."""
        return ()

    @abstractmethod
    def final(self, outputs: list[Output], usage: Usage) -> Reply:
        """Return the answer to a call without streaming; outputs are whole, ordered by item and index."""


class OutputFilter(ABC):
    """Sees everything a sequence says before the formatter does, and may rewrite it, hold it back or stop it.

    One instance per call; ``Output.item`` and ``Output.index`` tell sequences apart. An output with a ``finish_reason``
    is the sequence's last: release what is held. Text that is no sequence's output comes as outputs of item -1: echoed
    prompts, stop strings, single tokens and their alternatives, and what parsers make of an output.

    A filter changes ``text``; core takes care of the rest: an id or a logprob passes only with its text. From the first
    change on, a sequence's ids and logprobs are withheld; so are alternatives that a filter would change, and the ids
    and logprobs of a prompt that one changes.
    """

    def begin(self, item: int, index: int, context: str) -> None:  # noqa: B027  to be overridden where it matters
        """Begin a sequence; ``context``, the end of the prompt or the text shown so far, precedes its text. Called
        before its first output; a filter that looks for words remembers how far one has begun.
        """

    @abstractmethod
    def process(self, output: Output) -> Output:
        """Return the output to pass on (the same object, changed, will do); set ``finish_reason`` to end the
        sequence.
        """


class SocketClosed(Exception):
    """The other side of a WebSocket is gone."""


class Socket(Protocol):
    """An accepted WebSocket. Both calls raise SocketClosed once the client is gone."""

    async def receive(self) -> str | bytes: ...
    async def send(self, data: str | bytes) -> None: ...


class Session(Protocol):
    """A sequence whose prompt still grows. Tokens are computed as they come; generation starts with ``final=True``.

    ``append`` raises RequestError when the prompt outgrows the model's context.
    """

    async def append(self, token_ids: Sequence[int], *, final: bool = False) -> None: ...
    def outputs(self) -> AsyncIterator[Output]: ...


class EngineScope(Protocol):
    """The engine as one call sees it. All work started in it ends with the call; usage is counted here."""

    call: Call
    usage: Usage

    @property
    def models(self) -> Mapping[str, ServedModel]:
        """Return the models by every served name, in the order of the command line."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Values of options that plugins registered."""

    async def serve(self, endpoint: Endpoint, call: Call) -> Reply:
        """Drive parse, render and format with the plugins around them: the default of ``Endpoint.handle``."""

    def model(self, name: str | None, tasks: frozenset[str]) -> ServedModel:
        """Return the named model (None: the first with one of ``tasks``). Raises RequestError 404 or 400."""

    def generate(self, item: GenerateItem, model: ServedModel) -> AsyncGenerator[Output, None]:
        """Outputs as they come; closing the generator aborts what still runs."""

    async def next_logprobs(
        self, prompts: Sequence[Sequence[int]], count: int, item: GenerateItem, model: ServedModel
    ) -> list[tuple[tuple[int, float], ...]]:
        """Return the ``count`` most likely next tokens of each prompt with their raw logprobs, best first: for a
        Search.

        Neither filtered nor counted. ``item`` says where its cache and its priority are.
        """

    async def pool(self, items: Sequence[PoolItem], model: ServedModel) -> list[PoolOutput]:
        """Return all of them, in their order. Many are computed bit by bit, so that others are not kept waiting."""

    def open(self, item: GenerateItem, model: ServedModel) -> Session: ...

    def health(self) -> Mapping[str, Any]:
        """Return ``{"status": "ready" | "loading" | "draining" | "unhealthy", "models": {name: {...}}}``."""


class Endpoint:
    """One API family; one instance per server. Torch-free. Subclass, name the routes, write the three stages."""

    family: ClassVar[str]
    api_version: ClassVar[int] = API_VERSION
    routes: ClassVar[tuple[Route, ...]]
    tasks: ClassVar[frozenset[str]] = frozenset()  # the model must offer one of these

    def default_model(self, models: Sequence[ServedModel]) -> ServedModel | None:
        """Return which of the ``models`` served, in the order of the command line, answers a request that names none.

        None: the first that offers one of ``tasks``.
        """
        return None

    def parse(self, call: Call) -> Any:
        """Return the body as the route's Struct (lax: ``"5"`` is 5). Runs on the event loop (a large body: in a worker
        thread); raises RequestError.
        """
        return decode_body(call)

    def renders_fast(self, request: Any) -> bool:
        """Return whether ``render`` only tokenizes: for a small body it then runs on the event loop."""
        return False

    def size(self, request: Any) -> int:
        """Return about how many characters ``render`` reads, if more than the body has bytes.

        Requests of about one size share threads: small ones do not wait for large ones.
        """
        return 0

    def waits(self, request: Any) -> bool:
        """Return whether ``render`` waits for a process, so that it must not keep other requests from being
        rendered.
        """
        return False

    def render(self, request: Any, model: ServedModel) -> Work:
        """Prompts and parameters. Runs in a worker thread; raises RequestError."""
        raise NotImplementedError(f"endpoint {self.family!r} has no render()")

    def format(self, request: Any, work: Work, model: ServedModel, call: Call) -> Formatter | PoolFormatter:
        """Return a fresh formatter for this call: a PoolFormatter where the work is to ``pool``."""
        raise NotImplementedError(f"endpoint {self.family!r} has no format()")

    async def handle(self, call: Call, engine: EngineScope) -> Reply:
        """Answer a call. The default runs the three stages; override for loops over several generations."""
        return await engine.serve(self, call)

    async def connect(self, call: Call, socket: Socket, engine: EngineScope) -> None:
        """Serve a WebSocket (a route with ``websocket=True``) until it returns; the connection is then closed."""
        raise NotImplementedError(f"endpoint {self.family!r} has no connect()")


def decode_body(call: Call) -> Any:
    """Return the call's body as its route's Struct; None for a route without one.

    Raises:
        RequestError: not JSON, not of the Struct's shape (``param`` is the path of the field), nested too deeply, or
            with a field that is longer than ``limits.LENGTHS`` allows.
    """
    if call.route.request is None:
        return None
    encoding = call.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise RequestError(
            f"Bodies with content-encoding {encoding!r:.80} are not read: send the JSON as it is.",
            status=415,
            code="unsupported_content_encoding",
        )
    content_type = call.headers.get("content-type", "application/json").split(";", 1)[0].strip().lower()
    if content_type != "application/json":
        raise RequestError(
            f"Unsupported content type {content_type!r:.80}: send application/json.", code="unsupported_media_type"
        )
    return decode_json(call.body, call.route.request)
