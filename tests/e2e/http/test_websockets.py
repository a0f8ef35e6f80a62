"""WebSockets live as other calls do: counted, logged, and ended when the server ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets.sync.client
from support.serving.server import RunningServer, start_server
from websockets.exceptions import ConnectionClosedError

pytestmark = pytest.mark.e2e
PLUGIN = """
from __future__ import annotations
from frameworkctl.interfaces import Endpoint, RequestError, Route, hookimpl

class Echo(Endpoint):
    family = "echo"
    routes = (Route(method="GET", path="/echo", websocket=True),)

    async def connect(self, call, socket, engine):
        while True:
            text = await socket.receive()
            if text == "refuse":
                raise RequestError("Not this. " + "\u00e4" * 200, status=400)
            if text == "fail":
                raise ArithmeticError("a mistake")
            await socket.send(text)

@hookimpl
def register_endpoints(register):
    register(Echo)
"""


@pytest.fixture(scope="module")
def echoing(checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    plugin = tmp_path_factory.mktemp("plugins") / "echo.py"
    plugin.write_text(PLUGIN)
    server = start_server([str(checkpoints["llama"]), "--plugins", str(plugin), "--shutdown-timeout", "1"])
    yield server
    server.stop()


def connect(server: RunningServer) -> websockets.sync.client.ClientConnection:
    return websockets.sync.client.connect(f"ws://127.0.0.1:{server.port}/echo")


def test_each_is_logged_with_how_it_ended(echoing: RunningServer) -> None:
    with connect(echoing) as socket:
        socket.send("hello")
        assert socket.recv() == "hello"
    echoing.logged(r"GET /echo 200 \d+ ms")
    for said, code, status in (("refuse", 1008, "400"), ("fail", 1011, "500")):
        with connect(echoing) as socket:
            socket.send(said)
            with pytest.raises(ConnectionClosedError) as closed:
                socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code
        assert len(closed.value.rcvd.reason.encode()) <= 123
        echoing.logged(rf"GET /echo {status} \d+ ms")


def test_one_that_waits_for_its_client_ends_with_the_server(echoing: RunningServer) -> None:
    """After the time that open requests get, and with the reason."""
    with connect(echoing) as socket:
        socket.send("hello")
        assert socket.recv() == "hello"
        echoing.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv(timeout=30)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "The server is shutting down.")
    assert echoing.process.wait(30) == 0
    echoing.logged("draining: 1 open requests")
