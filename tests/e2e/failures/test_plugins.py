"""Plugins of strangers in a running server: single files, packages, crashes, guards, hooks around the stages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import websockets.sync.client
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e

PLUGIN = '''
"""Everything a single file can do."""
from __future__ import annotations
import asyncio
import sys
import msgspec
from frameworkctl.interfaces import *

class Pieces(msgspec.Struct):
    pieces: list[list[int]]

class Probe(Endpoint):
    family = "probe"
    routes = (
        Route(method="GET", path="/probe/modules"),
        Route(method="GET", path="/probe/crash"),
        Route(method="POST", path="/probe/session", request=Pieces),
        Route(method="GET", path="/probe/echo", websocket=True),
    )
    async def handle(self, call, engine):
        if call.path == "/probe/crash":
            raise ZeroDivisionError("oops")
        if call.path == "/probe/session":
            return await self.session(self.parse(call).pieces, engine)
        return Reply(body=sorted(sys.modules))
    async def session(self, pieces, engine):
        model = engine.model(None, frozenset({"generate"}))
        first = Prompt(pieces[0])
        params = model.sampling(first, {"temperature": 0.0, "max_tokens": 12})
        session = engine.open(GenerateItem(prompt=first, params=params), model)
        for number, piece in enumerate(pieces[1:], start=2):
            await asyncio.sleep(0.02)  # the engine computes what it has, and waits
            await session.append(piece, final=number == len(pieces))
        ids = [i async for output in session.outputs() for i in output.token_ids]
        return Reply(body={"token_ids": ids, "prompt_tokens": engine.usage.prompt_tokens})
    async def connect(self, call, socket, engine):
        while True:
            text = await socket.receive()
            if text == "bye":
                return
            if text == "crash":
                raise ZeroDivisionError("oops")
            await socket.send(text[::-1])

class Params(msgspec.Struct):
    token: int
    fail_at: int = -1

class Force(RowProcessor):
    def process(self, params, prompt, output, row):
        if len(output) == params.fail_at:
            raise ValueError("told to fail")
        row[:] = float("-inf")
        row[params.token] = 0.0
        return row

class Mask(OutputFilter):
    def process(self, output):
        output.text = output.text.replace("e", "*")
        return output

@hookimpl
def register_endpoints(register):
    register(Probe)

@hookimpl
def register_logits_processors(register):
    register(LogitsProcessorSpec(name="force", params=Params, implementation=f"{__name__}:Force", tokens="host"))

@hookimpl
def filter_output(request, model, call):
    return Mask() if call.headers.get("x-mask") else None

@hookimpl(wrapper=True)
def parse_request(call):
    request = yield
    if call.headers.get("x-refuse"):
        raise RequestError("not today", status=403, code="refused")
    if call.headers.get("x-short"):
        request.max_tokens = 1
    return request
'''


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plugin") / "everything.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture(scope="module")
def plugged(checkpoints: dict[str, Path], file: Path) -> Iterator[RunningServer]:
    server = start_server(
        [str(checkpoints["llama"]), "--served-model-name", "m", "--plugins", f"{file},word-boost,summaries"]
    )
    yield server
    server.stop()


def complete(server: RunningServer, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    sent = {"prompt": "the quick", "max_tokens": 12, "temperature": 0, **body}
    return httpx.post(f"{server.url}/v1/completions", json=sent, headers=headers or {}, timeout=60)


def test_server_never_imports_torch(plugged: RunningServer) -> None:
    """After one request of every family, streamed and not."""
    assert complete(plugged).status_code == 200
    message = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
    for path, body in (("chat/completions", message), ("summaries", {"text": "hi"})):
        for stream in (False, True):
            reply = httpx.post(f"{plugged.url}/v1/{path}", json={**body, "stream": stream}, timeout=60)
            assert reply.status_code == 200
    for path in ("v1/models", "version", "docs", "openapi.json"):
        assert httpx.get(f"{plugged.url}/{path}").status_code == 200
    modules = set(httpx.get(f"{plugged.url}/probe/modules").json())
    assert "frameworkctl.server.http.app" in modules
    heavy = {"torch", "transformers", "numpy", "librosa", "frameworkctl.interfaces.engine", "frameworkctl.execution"}
    assert not heavy & modules


def test_crash_names_the_plugin(plugged: RunningServer) -> None:
    reply = httpx.get(f"{plugged.url}/probe/crash")
    assert reply.status_code == 500
    assert reply.json()["error"]["code"] == "plugin_error"
    assert "everything.py" in reply.json()["error"]["message"]
    plugged.logged("oops")  # the operator sees all of it, the client does not
    assert "oops" not in reply.text


def test_wrapper_around_a_stage(plugged: RunningServer) -> None:
    refused = complete(plugged, {"x-refuse": "1"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "refused")
    assert complete(plugged, {"x-short": "1"}).json()["usage"]["completion_tokens"] == 1


def test_filter_stands_before_every_formatter(plugged: RunningServer) -> None:
    plain, masked = complete(plugged, prompt="the other things there"), None
    masked = complete(plugged, {"x-mask": "1"}, prompt="the other things there")
    assert masked.json()["choices"][0]["text"] == plain.json()["choices"][0]["text"].replace("e", "*")
    summary = httpx.post(f"{plugged.url}/v1/summaries", json={"text": "the"}, headers={"x-mask": "1"}, timeout=60)
    assert "e" not in summary.json()["summary"]


def test_processor_of_a_file(plugged: RunningServer) -> None:
    reply = complete(plugged, extra_args={"force": {"token": 70}}, return_token_ids=True)
    assert reply.json()["choices"][0]["token_ids"] == [70] * 12


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_failing_processor_ends_its_request_only(plugged: RunningServer, stream: bool) -> None:
    """Beside one that runs: the error names processor and plugin, the neighbour never notices."""
    client = plugged.openai(timeout=60)
    alone = client.completions.create(
        model="m", prompt="the lazy", max_tokens=200, temperature=0, extra_body={"ignore_eos": True}
    )
    neighbour = client.completions.create(
        model="m", prompt="the lazy", max_tokens=200, temperature=0, stream=True, extra_body={"ignore_eos": True}
    )
    text = next(iter(neighbour)).choices[0].text
    extra = {"extra_args": {"force": {"token": 70, "fail_at": 3}}}
    with pytest.raises(openai.APIError) as failed:
        list(client.completions.create(model="m", prompt="the", max_tokens=9, stream=stream, extra_body=extra))
    assert "'force'" in failed.value.message
    assert "everything.py" in failed.value.message
    assert text + "".join(c.choices[0].text for c in neighbour) == alone.choices[0].text
    plugged.wait_idle()
    assert plugged.health()["models"]["m"]["restarts"] == 0


def test_session_whose_prompt_grows(plugged: RunningServer) -> None:
    """Tokens that come in pieces give the same answer as all at once; too many are refused."""
    ids = [5 + i * 7 % 300 for i in range(90)]
    whole = complete(plugged, prompt=ids, return_token_ids=True).json()["choices"][0]["token_ids"]
    for cuts in ([30], [1, 2, 3, 50], [16, 32, 48], [89], [40, 40], [90], [1, 90, 90]):
        pieces = [ids[a:b] for a, b in zip([0, *cuts], [*cuts, len(ids)], strict=True)]
        reply = httpx.post(f"{plugged.url}/probe/session", json={"pieces": pieces}, timeout=60).json()
        assert reply == {"token_ids": whole, "prompt_tokens": len(ids)}, cuts
    too_long = httpx.post(f"{plugged.url}/probe/session", json={"pieces": [[5] * 600, [5] * 600]}, timeout=60)
    assert (too_long.status_code, too_long.json()["error"]["code"]) == (400, "context_length_exceeded")
    plugged.wait_idle()
    model = plugged.health()["models"]["m"]
    assert model["free_pages"] == model["total_pages"]


def test_websocket_endpoint(plugged: RunningServer) -> None:
    url = f"ws://127.0.0.1:{plugged.port}/probe/echo"
    with websockets.sync.client.connect(url) as socket:
        socket.send("abc")
        assert socket.recv() == "cba"
        socket.send("bye")
        with pytest.raises(websockets.ConnectionClosedOK):
            socket.recv()
    with websockets.sync.client.connect(url) as socket:
        socket.send("crash")
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011


def test_word_boost(plugged: RunningServer) -> None:
    words = {"extra_args": {"word_boost": {"boost": {"fox": 20.0}}}}
    assert complete(plugged, **words).json()["choices"][0]["text"].count("fox") >= 2
    plain = complete(plugged, return_token_ids=True).json()["choices"][0]
    first = plain["token_ids"][0]
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(
        str(Path(httpx.get(f"{plugged.url}/v1/models").json()["data"][0]["root"]) / "tokenizer.json")
    )
    banned = complete(plugged, extra_args={"word_boost": {"ban": [tokenizer.decode([first])]}}, return_token_ids=True)
    if tokenizer.encode(tokenizer.decode([first])).ids == [first]:
        assert banned.json()["choices"][0]["token_ids"][0] != first


@pytest.mark.parametrize(
    ("args", "param"),
    [
        ({"boost": {"x": 21}}, "extra_args.word_boost.boost.x"),
        ({"boost": []}, "extra_args.word_boost.boost"),
        ({"shout": ["x"]}, "extra_args.word_boost"),
        ({"ban": [""]}, "extra_args.word_boost"),
        (5, "extra_args.word_boost"),
    ],
    ids=str,
)
def test_word_boost_arguments_are_checked(plugged: RunningServer, args: Any, param: str) -> None:
    reply = complete(plugged, extra_args={"word_boost": args})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == param


def test_summaries(plugged: RunningServer) -> None:
    whole = httpx.post(f"{plugged.url}/v1/summaries", json={"text": "the quick", "max_tokens": 4}, timeout=60).json()
    assert whole["tokens"] > 4
    refused = httpx.post(f"{plugged.url}/v1/summaries", json={"text": ""})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "text")
    assert "/v1/summaries" in httpx.get(f"{plugged.url}/openapi.json").json()["paths"]


BROKEN: dict[str, str] = {
    "raises at import": "raise RuntimeError('no')",
    "exits at import": "import sys; sys.exit(3)",
    "misspelt hook": "from frameworkctl.interfaces import hookimpl\n@hookimpl\ndef register_endpoint(register): ...",
    "async hook": "from frameworkctl.interfaces import hookimpl\n@hookimpl\nasync def parse_request(call): ...",
    "takes a name": (
        "from frameworkctl.interfaces import *\nclass E(Endpoint):\n    family = 'chat'\n    routes = ()\n"
        "@hookimpl\ndef register_endpoints(register): register(E)"
    ),
    "takes a route": (
        "from frameworkctl.interfaces import *\nclass E(Endpoint):\n    family = 'x'\n"
        "    routes = (Route(method='POST', path='/v1/completions'),)\n"
        "@hookimpl\ndef register_endpoints(register): register(E)"
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_named_plugin_that_cannot_load_stops_the_start(checkpoints: dict[str, Path], tmp_path: Path, name: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(BROKEN[name])
    with pytest.raises(AssertionError, match=r"ended with 2(?s:.)*broken\.py"):
        start_server([str(checkpoints["llama"]), "--plugins", str(path)])


RAISES_EVERYWHERE = '''
"""A plugin that raises in every hook it can be called in while serving."""
from frameworkctl import hookspecs
from frameworkctl.interfaces import hookimpl

def make(name, arguments):
    scope = {}
    exec(f"def {name}({arguments}):\\n    raise RuntimeError('{name}')", {"__name__": __name__}, scope)
    return hookimpl(scope[name])

request_received = make("request_received", "event")
request_finished = make("request_finished", "event")
engine_started = make("engine_started", "event")
engine_failed = make("engine_failed", "event")
'''


@pytest.mark.parametrize(
    ("hook", "arguments"),
    [
        ("parse_request", "call"),
        ("render_prompt", "request, model, call"),
        ("format_output", "request, work, model, call"),
        ("filter_output", "request, model, call"),
    ],
)
def test_plugin_that_raises_in_every_hook(
    checkpoints: dict[str, Path], tmp_path: Path, hook: str, arguments: str
) -> None:
    """Observers are only logged; a stage that raises is a 500 naming the plugin; the server goes on."""
    path = tmp_path / "raises.py"
    path.write_text(RAISES_EVERYWHERE + f'\n{hook} = make("{hook}", "{arguments}")\n')
    server = start_server([str(checkpoints["llama"]), "--plugins", str(path)])
    try:
        for _ in range(2):
            reply = complete(server)
            assert reply.status_code == 500
            assert "raises.py" in reply.json()["error"]["message"]
        assert httpx.get(f"{server.url}/v1/models").status_code == 200
        server.wait_idle()
        server.logged(r"(?s)(request_received of .*){3}")
    finally:
        assert server.stop() == 0
