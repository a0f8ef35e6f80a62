#!/bin/sh
# uvicorn 0.54.0 with websockets 17.4: a WebSocket that is cut off and one that is closed without a code look alike.
# Guess: an application is told 1006 (RFC 6455, 7.1.5: no close frame came) when the connection is cut, whichever of
# uvicorn's two implementations serves it.
# Seen: "websockets" says 1006, "websockets-sansio", which is to replace it, 1005, as for a close frame without a code.
# So an application cannot tell a client that left properly from one whose network failed.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet uvicorn==0.54.0 websockets==17.4
cat > "$work/program.py" <<'PYTHON'
import asyncio
import os
import socket
import sys
import threading

import uvicorn
from websockets.sync.client import connect

codes, told = [], threading.Event()


async def application(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": message["text"]})
    codes.append(int(message["code"]))
    told.set()


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
config = uvicorn.Config(application, ws=sys.argv[1], lifespan="off", log_level="error")
serving = threading.Thread(target=lambda: asyncio.run(uvicorn.Server(config).serve(sockets=[listener])), daemon=True)
serving.start()


def case(leave):
    told.clear()
    with connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/") as client:
        client.send("a")
        assert client.recv() == "a"
        leave(client)
        assert told.wait(20)


def without_code(client):
    client.protocol.send_close()
    for data in client.protocol.data_to_send():
        client.socket.sendall(data)


case(lambda client: client.socket.shutdown(socket.SHUT_RDWR))
case(without_code)
case(lambda client: client.close(1000))
print(*codes, flush=True)
os._exit(0)
PYTHON
old=$("$work/venv/bin/python" -W ignore "$work/program.py" websockets)
new=$("$work/venv/bin/python" -W ignore "$work/program.py" websockets-sansio)
[ "$old" = "1006 1005 1000" ]
[ "$new" = "1005 1005 1000" ]
echo "as seen with uvicorn 0.54.0 and websockets 17.4: cut, no code, 1000: $old; sansio: $new"
