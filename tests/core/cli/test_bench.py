"""``frameworkctl bench``: options, results on screen and in files, mistakes, and starts of servers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from frameworkctl.bench.results import Report
from frameworkctl.cli import main
from support.serving.fake_streams import FakeStreams, serve_streams

Bench = Callable[..., tuple[int, str, str]]
SMALL = ("--requests", "3", "--input-len", "4", "--output-len", "3", "--num-warmups", "0")


@pytest.fixture
def fake() -> Iterator[FakeStreams]:
    with serve_streams() as found:
        yield found


@pytest.fixture
def bench(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Status, stdout, stderr."""
    for name in ("FRAMEWORKCTL_API_KEY", "OPENAI_API_KEY", "FRAMEWORKCTL_PLUGINS"):
        monkeypatch.delenv(name, raising=False)

    def run(*args: object) -> tuple[int, str, str]:
        capfd.readouterr()
        return (main(["bench", *map(str, args)]), *capfd.readouterr())

    return run


def test_results_as_table_json_and_chart(fake: FakeStreams, bench: Bench, tmp_path: Path) -> None:
    files = ("--json", tmp_path / "out.json", "--chart", tmp_path / "out.svg")
    status, out, _ = bench("serve", "--url", f"{fake.url}/v1", "--concurrency", "1,2", *SMALL, *files)
    assert status == 0
    assert out.startswith(f"fake at {fake.url}, /v1/completions, token ids: 4 tokens in, 3 out\n")
    report = msgspec.json.decode((tmp_path / "out.json").read_bytes(), type=Report)
    assert [(level.concurrency, level.completed, level.output_tokens) for level in report.levels] == [
        (1, 3, 9),
        (2, 3, 9),
    ]
    plain = json.loads((tmp_path / "out.json").read_bytes())
    assert plain["levels"][0]["ttft_ms"]["p99"] >= plain["levels"][0]["ttft_ms"]["p50"] > 0
    ElementTree.parse(tmp_path / "out.svg")
    again = bench("serve", "--url", fake.url, "--rate", "100", *SMALL, "--compare", files[1], "--chart", files[3])
    assert again[0] == 0
    words = [e.text or "" for e in ElementTree.parse(tmp_path / "out.svg").getroot().iter()]
    assert len([w for w in words if w.startswith("fake at")]) == 2


def test_every_run_has_other_prompts(fake: FakeStreams, bench: Bench) -> None:
    sent = []
    for _ in range(2):
        fake.bodies = []
        bench("serve", "--url", fake.url, "--concurrency", "1", *SMALL)
        sent.append({tuple(b["prompt"]) for b in fake.bodies})
    assert not sent[0] & sent[1]


def test_some_failures_are_shown_and_all_are_status_1(fake: FakeStreams, bench: Bench) -> None:
    fake.broken = {2}
    status, out, _ = bench("serve", "--url", fake.url, "--concurrency", "1", *SMALL)
    assert (status, "failed 1 times at 1: the answer was cut short" in out) == (0, True)
    fake.bodies, fake.broken = [], set(range(2, 20))
    assert bench("serve", "--url", fake.url, "--concurrency", "1", *SMALL)[0] == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["serv"], "bench: 'serv' is not one of serve, latency, throughput, startup; did you mean 'serve'?"),
        (["serve", "--url", "http://x", "--concurrency", "1", "--rate", "2"], "use one of them"),
        (["serve", "--url", "http://x", "--dtype", "float32"], "'--dtype' is neither an option of bench serve"),
        (["serve", "--port", "80"], "--port: the server that is started"),
        (["serve", "--concurrency", "1,0"], "must be a whole number from 1 on, got '0'"),
        (["serve", "--rate", "0"], "must be a number above 0"),
        (["serve", "--token-ids", "9:3"], "must be LO:HI"),
        (["serve", "--extra-body", "[1]"], "must be a JSON object"),
        (["serve", "--url", "http://x", "--chart", "x.pdf"], "'x.pdf' must end in .svg or .png"),
        (["serve", "--url", "http://x", "--compare", "nowhere.json"], "cannot read 'nowhere.json'"),
        (["serve", "--url", "nonsense://x"], "--url: 'nonsense://x' is not http://HOST:PORT"),
        (["latency", "--no-such-option"], "unknown option '--no-such-option'"),
        (["latency", "nowhere/at/all", "--num-iters", "1"], "nowhere/at/all"),
        (["throughput", "--num-prompts", "0"], "must be a whole number from 1 on"),
        (["startup", "--command", "server"], "--command must say where the {port} goes"),
        (["startup", "--command", "server {port}", "m", "--dtype", "x"], "options of that server belong"),
        (["startup", "--command", "no-such-program {port}"], "cannot start 'no-such-program'"),
    ],
)
def test_mistakes(args: list[str], said: str, bench: Bench) -> None:
    status, out, err = bench(*args)
    assert (status, out) == (2, "")
    assert said in err


def test_help(bench: Bench) -> None:
    status, out, _ = bench()
    assert status == 0
    assert [word for word in ("serve", "latency", "throughput", "startup") if f"  {word} " in out] != []


SERVER = """
import http.server, json, sys, time
words = iter([503, 200])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert body["model"] == "some/model", body
        self.send_response(next(words))
        self.end_headers()
        self.wfile.write(b'data: {"choices": [{"text": "x", "finish_reason": "length"}]}\\n\\ndata: [DONE]\\n\\n')
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_starts_of_another_server(bench: Bench, tmp_path: Path) -> None:
    """One that is not ready at its first request; each start is a process of its own."""
    (tmp_path / "server.py").write_text(SERVER)
    command = f"{sys.executable} {tmp_path / 'server.py'} {{port}}"
    args = ("--num-iters", 2, "--num-iters-warmup", 1, "--json", tmp_path / "s.json", "some/model")
    status, out, err = bench("startup", "--command", command, *args)
    assert (status, len(err.splitlines())) == (0, 3)
    assert out.startswith("first token after ")
    found = json.loads((tmp_path / "s.json").read_text())
    assert len(found["first_token"]) == 2
    assert min(found["first_token"]) > 0


def test_a_server_that_ends(bench: Bench) -> None:
    command = f"{sys.executable} -c \"print('out of luck'); exit({{port}} and 3)\""
    status, _, err = bench("startup", "--command", command)
    assert status == 2
    assert "the server ended with status 3:\nout of luck" in err
