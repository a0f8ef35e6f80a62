"""Large bodies of every kind, and how a server bears them: its memory, and how long another stream waits."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from support.serving.server import RunningServer

MEBI = 1 << 20
USER = b'{"role":"user","content":'
SENDER = """
import http.client, sys, time
host, port, path, file, limit = sys.argv[1:]
body = open(file, "rb").read()
began = time.monotonic()
try:
    c = http.client.HTTPConnection(host, int(port), timeout=float(limit))
    c.request("POST", path, body, {"content-type": "application/json"})
    reply = c.getresponse()
    data = reply.read()
    print(reply.status, len(data), round(time.monotonic() - began, 2), data[:160].decode("utf-8", "replace"))
except Exception as e:
    print(0, 0, round(time.monotonic() - began, 2), repr(e)[:160])
"""


@dataclass
class Case:
    """A body as ``before + unit repeated up to the size + after``."""

    name: str
    path: str
    before: bytes
    unit: bytes
    after: bytes

    def body(self, size: int) -> bytes:
        """Return about ``size`` bytes of valid JSON."""
        return self.before + self.unit * ((size - len(self.before) - len(self.after)) // len(self.unit)) + self.after


def _listed(name: str, path: str, field: str, unit: bytes, rest: bytes = b"") -> Case:
    return Case(
        f"{field}: {name}", path, b'{"model":"demo",' + rest + b'"' + field.encode() + b'":[' + unit, b"," + unit, b"]}"
    )


CHAT, TEXT, TOKENIZE = "/v1/chat/completions", "/v1/completions", "/tokenize"
HELLO = b'"messages":[' + USER + b'"hi"}],"max_tokens":1,'
PROMPT = b'"prompt":"hi","max_tokens":1,'
CUT = b'"max_tokens":1,"truncate_prompt_tokens":5,'
WORDS = b"the quick brown fox "
CASES = [
    Case("tokenize prompt: words", TOKENIZE, b'{"model":"demo","prompt":"', WORDS, b'"}'),
    Case("tokenize prompt: emoji", TOKENIZE, b'{"model":"demo","prompt":"', "\U0001f642".encode(), b'"}'),
    Case("tokenize prompt: strings", TOKENIZE, b'{"model":"demo","return_token_strs":true,"prompt":"', WORDS, b'"}'),
    _listed("short ones", TOKENIZE, "messages", USER + b'"a"}'),
    _listed("ids", "/detokenize", "tokens", b"7"),
    _listed("lists", "/detokenize", "tokens", b"[]"),
    _listed("ids", TEXT, "allowed_token_ids", b"7", PROMPT),
    _listed("ids", TEXT, "stop_token_ids", b"7", PROMPT),
    _listed("ids", TEXT, "logprob_token_ids", b"7", PROMPT),
    _listed("words", TEXT, "bad_words", b'"ab"', PROMPT),
    _listed("one word", TEXT, "bad_words", b'"' + WORDS * 400 + b'"', PROMPT),
    _listed("words", TEXT, "stop", b'"ab"', PROMPT),
    _listed("ids", TEXT, "prompt", b"7"),
    _listed("texts", TEXT, "prompt", b'"ab"'),
    Case("prompt: to be cut", TEXT, b'{"model":"demo",' + CUT + b'"prompt":"', WORDS, b'"}'),
    Case("prompt: emoji to be cut", TEXT, b'{"model":"demo",' + CUT + b'"prompt":"', "\U0001f642".encode(), b'"}'),
    Case("prompt: too long", TEXT, b'{"model":"demo","max_tokens":1,"prompt":"', WORDS, b'"}'),
    Case("logit_bias", TEXT, b'{"model":"demo",' + PROMPT + b'"logit_bias":{"1":1', b',"1":1', b"}}"),
    _listed("short ones", CHAT, "messages", USER + b'"a"}'),
    _listed("numbers", CHAT, "messages", b"1"),
    _listed("lists", CHAT, "messages", b"[]"),
    Case("messages: one text", CHAT, b'{"model":"demo","messages":[' + USER + b'"', WORDS, b'"}]}'),
    Case("messages: to be cut", CHAT, b'{"model":"demo",' + CUT + b'"messages":[' + USER + b'"', WORDS, b'"}]}'),
    Case("messages: parts", CHAT, b'{"model":"demo","messages":[' + USER + b'["a"', b',"a"', b"]}]}"),
    _listed("tools", CHAT, "tools", b'{"type":"function","function":{"name":"f"}}', HELLO),
    _listed("documents", CHAT, "documents", b'{"a":"b"}', HELLO),
    _listed("lists", CHAT, "metadata", b"[]", HELLO),
    Case("chat_template_kwargs", CHAT, b'{"model":"demo",' + HELLO + b'"chat_template_kwargs":{"a":[0', b",[]", b"]}}"),
    Case("vllm_xargs", CHAT, b'{"model":"demo",' + HELLO + b'"vllm_xargs":{"a":[0', b",1", b"]}}"),
    Case("unknown field", CHAT, b'{"model":"demo",' + HELLO + b'"no_such":[0', b',{"a":1}', b"]}"),
    Case("nested", CHAT, b'{"model":"demo",' + HELLO + b'"metadata":', b"[", b"}"),
    Case("schema text", CHAT, b'{"model":"demo",' + HELLO + b'"structured_outputs":{"regex":"', b"a", b'"}}'),
    Case("choices", CHAT, b'{"model":"demo",' + HELLO + b'"structured_outputs":{"choice":["a"', b',"ab"', b"]}}"),
    Case("classify: texts", "/classify", b'{"model":"demo-classifier","input":["good"', b',"good"', b"]}"),
    Case(
        "classify: long texts",
        "/classify",
        b'{"model":"demo-classifier","truncate_prompt_tokens":9,"input":["a"',
        b',"' + WORDS * 50 + b'"',
        b"]}",
    ),
    Case(
        "classify: one text to be cut",
        "/classify",
        b'{"model":"demo-classifier","truncate_prompt_tokens":9,"input":"',
        WORDS,
        b'"}',
    ),
    Case("classify: ids", "/classify", b'{"model":"demo-classifier","input":[7', b",7", b"]}"),
    Case("rerank: documents", "/rerank", b'{"model":"demo-reranker","query":"fox","documents":["a"', b',"fox"', b"]}"),
    Case(
        "rerank: query to be cut",
        "/rerank",
        b'{"model":"demo-reranker","truncate_prompt_tokens":9,"documents":["a","b"],"query":"',
        WORDS,
        b'"}',
    ),
]


@dataclass
class Seen:
    """MB of all processes above those at rest, the longest gap of the other stream in ms, and the answer."""

    memory: float
    gap: float
    answer: str


class Victim(threading.Thread):
    """A greedy stream that starts again when it ends; remembers the longest time between two events."""

    def __init__(self, server: RunningServer) -> None:
        super().__init__(daemon=True)
        self.server, self.ended, self.gap, self.tokens = server, False, 0.0, 0

    def run(self) -> None:
        body = {
            "model": "demo",
            "prompt": "hello",
            "max_tokens": 900,
            "ignore_eos": True,
            "temperature": 0,
            "stream": True,
        }
        last = None
        while not self.ended:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=300)
            connection.request("POST", TEXT, json.dumps(body), {"content-type": "application/json"})
            for line in connection.getresponse():
                if self.ended:
                    break
                if line.startswith(b"data:"):
                    now = time.perf_counter()
                    self.gap = max(self.gap, now - (last or now))
                    self.tokens, last = self.tokens + 1, now
            connection.close()


class Memory(threading.Thread):
    """The most that all processes had together (PSS), looked at every few hundredths of a second."""

    def __init__(self, server: RunningServer) -> None:
        super().__init__(daemon=True)
        self.processes, self.ended = server.processes(), False
        self.server, self.most = server, 0.0

    def now(self) -> float:
        """Return MB of all processes."""
        return sum(_pss(process) for process in self.server.processes()) / 1e6

    def run(self) -> None:
        while not self.ended:
            self.most = max(self.most, self.now())
            time.sleep(0.03)


def _pss(process: psutil.Process) -> float:
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return next(1024.0 * int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def measure(server: RunningServer, case: Case, size: int, folder: Path, limit: float) -> Seen:
    """Send the case's body from another process while a stream runs, and look at both."""
    file = folder / "body.json"
    file.write_bytes(case.body(size))
    memory, victim = Memory(server), Victim(server)
    victim.start()
    _until(lambda: victim.tokens > 20)
    rest, victim.gap = memory.now(), 0.0
    memory.start()
    command = [sys.executable, "-c", SENDER, "127.0.0.1", str(server.port), case.path, str(file), str(limit)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    for thread in (memory, victim):
        thread.ended = True
        thread.join()
    return Seen(memory.most - rest, 1e3 * victim.gap, answer)


def _until(done: Callable[[], bool], timeout: float = 300.0) -> None:
    deadline = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < deadline, "the stream does not begin"
        time.sleep(0.01)
