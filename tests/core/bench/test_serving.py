"""Load on a server: how much, of what, and what is made of a server's ways."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from frameworkctl.bench.dialect import CHAT
from frameworkctl.bench.http import Broken, Connection, Target
from frameworkctl.bench.load import Level
from frameworkctl.bench.results import Report
from frameworkctl.bench.serving import Plan, measure
from frameworkctl.bench.workload import Workload
from frameworkctl.errors import ConfigError
from support.serving.fake_streams import FakeStreams

LOAD = Workload(input_len=12, output_len=5, seed=1)
MEASURED = 5  # tokens of a measured answer; those before ask for one, or for other prompts


def plan(fake: FakeStreams, **changes: Any) -> Plan:
    base = Plan(url=fake.url, levels=(Level(concurrency=2),), load=LOAD, requests=6, warmups=0)
    return msgspec.structs.replace(base, **changes)


def measured(made: Plan) -> Report:
    return asyncio.run(measure(made))


def notes(report: Report) -> list[str]:
    """But for those on how busy this machine is."""
    return [note for note in report.notes if "this program took" not in note]


def prompts(fake: FakeStreams) -> list[Any]:
    """Of the requests that were measured."""
    found = [b for b in fake.bodies if MEASURED in (b.get("max_tokens"), b.get("max_completion_tokens"))]
    return [b["prompt"] if "prompt" in b else b["messages"][0]["content"] for b in found]


def test_counts_and_lengths(fake: FakeStreams) -> None:
    report = measured(plan(fake, levels=(Level(concurrency=1), Level(concurrency=3)), repeat=2))
    assert (report.model, report.prompts, report.endpoint) == ("fake", "token ids", "/v1/completions")
    assert [(s.concurrency, s.completed, s.failed, s.output_tokens) for s in report.levels] == [
        (1, 12, 0, 60),
        (3, 12, 0, 60),
    ]
    assert all(s.input_tokens == 144 and s.cached_tokens == 36 and len(s.seconds) == 2 for s in report.levels)
    assert notes(report) == []
    sent = prompts(fake)
    assert len(sent) == 24
    assert {len(p) for p in sent} == {12}
    assert len({tuple(p) for p in sent}) == 24  # none twice, in no repetition
    assert {i for p in sent for i in p} <= set(range(1000, 1050))
    body = fake.bodies[-1]
    assert (body["temperature"], body["ignore_eos"], body["stream"]) == (0, True, True)


def test_no_more_at_once_than_asked_for(fake: FakeStreams) -> None:
    measured(plan(fake, levels=(Level(concurrency=3),), requests=30, load=Workload(output_len=20, seed=1)))
    assert fake.most_open == 3
    assert fake.connections == 1 + 3  # one to find out, and each is kept


def test_a_rate_does_not_wait_for_answers(fake: FakeStreams) -> None:
    report = measured(plan(fake, levels=(Level(rate=500.0),), requests=20))
    [level] = report.levels
    assert (level.rate, level.concurrency, level.completed) == (500.0, 0, 20)


def test_prefixes_are_shared_within_a_repetition_only(fake: FakeStreams) -> None:
    load = Workload(input_len=4, output_len=5, shared_prefix_len=8, seed=3)
    measured(plan(fake, load=load, repeat=2))
    sent = prompts(fake)
    assert {len(p) for p in sent} == {12}
    assert len({tuple(p[:8]) for p in sent}) == 2
    assert len({tuple(p) for p in sent}) == 12


def test_warm_up_has_prompts_of_its_own_and_counts_for_nothing(fake: FakeStreams) -> None:
    report = measured(plan(fake, warmups=4, load=Workload(input_len=12, output_len=40, seed=1)))
    assert report.levels[0].completed == 6
    assert [b["max_tokens"] for b in fake.bodies].count(16) == 4


def test_the_same_seed_sends_the_same(fake: FakeStreams) -> None:
    measured(plan(fake))
    first, fake.bodies = sorted(prompts(fake)), []
    measured(plan(fake))
    assert sorted(prompts(fake)) == first
    fake.bodies = []
    measured(plan(fake, load=Workload(input_len=12, output_len=5, seed=2)))
    assert not {tuple(p) for p in prompts(fake)} & {tuple(p) for p in first}


def test_given_ids_and_fields_and_key(fake: FakeStreams) -> None:
    measured(plan(fake, ids=range(5, 9), model="mine", extra={"top_k": 3, "ignore_eos": False}, api_key="secret"))
    assert {i for p in prompts(fake) for i in p} == {5, 6, 7, 8}
    body = fake.bodies[-1]
    assert (body["model"], body["top_k"], body["ignore_eos"]) == ("mine", 3, False)
    assert all("authorization: Bearer secret\r\n" in head for head in fake.headers)


class TestServersAreDifferent:
    def test_without_a_tokenizer_words_are_counted(self, fake: FakeStreams) -> None:
        fake.tokenizes, fake.tokens_per_word, fake.overhead = False, 2.0, 10
        report = measured(plan(fake, load=Workload(input_len=50, output_len=5, seed=1)))
        assert report.prompts == "text"
        assert {len(p.split()) for p in prompts(fake)} == {20}
        assert report.levels[0].input_tokens == 6 * 50

    def test_chat(self, fake: FakeStreams) -> None:
        fake.overhead = 7
        load = Workload(input_len=20, output_len=5, shared_prefix_len=30, seed=1)
        report = measured(plan(fake, path=CHAT, load=load))
        assert report.prompts == "text"
        assert report.levels[0].output_tokens == 30
        assert report.levels[0].input_tokens == 6 * 50
        assert len({" ".join(p.split()[:30]) for p in prompts(fake)}) == 1

    def test_ids_refused(self, fake: FakeStreams) -> None:
        fake.takes_ids = False
        report = measured(plan(fake))
        assert report.prompts == "text"
        assert any("refuses token ids" in note for note in report.notes)

    def test_fields_refused(self, fake: FakeStreams) -> None:
        fake.refused = {
            "ignore_eos": "Unrecognized request argument supplied: ignore_eos",
            "max_tokens": "Use 'max_completion_tokens' instead.",
            "temperature": "temperature must be 1",
        }
        report = measured(plan(fake, path=CHAT))
        body = fake.bodies[-1]
        assert not {"ignore_eos", "max_tokens", "temperature"} & set(body)
        assert body["max_completion_tokens"] == 5
        assert report.levels[0].completed == 6
        assert len(notes(report)) == 2

    def test_answers_that_end_early_are_told(self, fake: FakeStreams) -> None:
        fake.shorter = 2
        assert "2 clients: answers had 3.0 tokens on average, not 5" in measured(plan(fake)).notes

    def test_nobody_counts(self, fake: FakeStreams) -> None:
        fake.counts, fake.tokenizes = False, False
        report = measured(plan(fake))
        assert report.levels[0].output_tokens == 30
        assert not report.levels[0].counted
        assert len(notes(report)) == 2

    def test_what_no_change_helps_against(self, fake: FakeStreams) -> None:
        fake.refused = {"stream": "no streams here"}
        with pytest.raises(ConfigError, match="HTTP 400: no streams here"):
            measured(plan(fake))


class TestFailures:
    def test_some(self, fake: FakeStreams) -> None:
        fake.broken = {3, 6}  # the first is the probe
        [level] = measured(plan(fake)).levels
        assert (level.completed, level.failed) == (4, 2)
        assert level.errors == {"the answer was cut short": 2}

    def test_all(self, fake: FakeStreams) -> None:
        """From the first measured request on."""
        made = plan(fake, ids=range(5, 9), model="m")

        async def fail_after_the_probe() -> Report:
            watcher = asyncio.create_task(_until_asked(fake))
            report = await measure(made)
            await watcher
            return report

        [level] = asyncio.run(fail_after_the_probe()).levels
        assert level.failed > 0
        assert set(level.errors) == {"HTTP 500: on fire"}

    def test_no_server(self) -> None:
        made = Plan(url="http://127.0.0.1:9", levels=(Level(concurrency=1),), load=LOAD)
        with pytest.raises(ConfigError, match=r"cannot reach http://127.0.0.1:9"):
            measured(made)

    def test_too_slow(self, fake: FakeStreams, monkeypatch: pytest.MonkeyPatch) -> None:
        """A request that takes too long fails, and its connection is not used again."""

        async def hang(body: object, writer: asyncio.StreamWriter, broken: bool) -> bool:
            if body["max_tokens"] == MEASURED:  # type: ignore[index]
                await asyncio.sleep(1000)
            return await FakeStreams.stream(fake, body, writer, broken)  # type: ignore[arg-type]

        monkeypatch.setattr(fake, "stream", hang)
        made = plan(fake, requests=2, ids=range(5, 9), timeout=0.5)
        [level] = measured(made).levels
        assert (level.completed, level.errors) == (0, {"no answer within 0.5 s": 2})


async def _until_asked(fake: FakeStreams) -> None:
    while not fake.bodies:
        await asyncio.sleep(0)
    fake.failing = True


class TestConnection:
    """HTTP as servers speak it."""

    def serve(self, *answers: bytes, close: bool = False) -> list[Any]:
        """Status and body of a request for each answer, all over one ``Connection``."""

        async def run() -> list[Any]:
            left = list(answers)

            async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while left:
                    try:
                        await reader.readuntil(b"\r\n\r\n")
                    except asyncio.IncompleteReadError:
                        break
                    if answer := left.pop(0):
                        writer.write(answer)
                    if close or not answer:
                        break
                writer.close()

            server = await asyncio.start_server(handle, "127.0.0.1", 0)
            target = Target.parse(f"127.0.0.1:{server.sockets[0].getsockname()[1]}/base/v1")
            connection, found = Connection(target), []
            for _ in answers:
                try:
                    found.append(await connection.fetch(target.get("/x")))
                except Broken as e:
                    found.append(str(e))
            connection.close()
            server.close()
            return found

        return asyncio.run(run())

    def test_bodies_of_known_length_and_in_chunks(self) -> None:
        answers = (
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            b"HTTP/1.1 404 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n",
        )
        assert self.serve(*answers) == [(200, b"hi"), (404, b"abc"), (204, b"")]

    def test_a_body_that_ends_with_its_connection(self) -> None:
        assert self.serve(b"HTTP/1.0 200 OK\r\n\r\nall of it", close=True) == [(200, b"all of it")]

    def test_a_kept_connection_that_was_closed_meanwhile_is_tried_again(self) -> None:
        one = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n"
        assert self.serve(one + b"1", one + b"2", close=True) == [(200, b"1"), (200, b"2")]

    def test_answers_that_are_none(self) -> None:
        assert self.serve(b"") == ["the server closed the connection without an answer"]
        [said] = self.serve(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", close=True)
        assert said == "the answer was cut short"
        [said] = self.serve(b"SSH-2.0-OpenSSH\r\n")
        assert "does not speak HTTP" in said

    @pytest.mark.parametrize(
        ("url", "wanted"),
        [
            ("host:8000", ("host", 8000, False, "")),
            ("http://host/v1/", ("host", 80, False, "")),
            ("https://api.example.org/openai/v1", ("api.example.org", 443, True, "/openai")),
        ],
    )
    def test_urls(self, url: str, wanted: tuple[str, int, bool, str]) -> None:
        target = Target.parse(url, "k")
        assert (target.host, target.port, target.tls, target.prefix) == wanted
        assert target.get("/v1/models").startswith(f"GET {wanted[3]}/v1/models HTTP/1.1\r\nhost: ".encode())

    @pytest.mark.parametrize("url", ["ftp://host", "http://", "http://host:port", "http://host:99999999"])
    def test_no_urls(self, url: str) -> None:
        with pytest.raises(ConfigError, match="--url"):
            Target.parse(url)


def test_arrivals_are_those_of_a_poisson_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gaps that are waited, on a clock that only moves while somebody sleeps."""
    from frameworkctl.bench import load

    now, seen = 0.0, []

    class Loop:
        def time(self) -> float:
            return now

        def create_task(self, work: Any) -> asyncio.Task[None]:
            return asyncio.ensure_future(work)

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    async def send(request: bytes) -> None:
        pass

    async def run() -> None:
        await load._at_rate(4.0, [b""] * 4000, note, random.Random(1))

    def note(request: bytes) -> Any:
        seen.append(now)
        return send(request)

    monkeypatch.setattr(load.asyncio, "get_running_loop", lambda: Loop())
    monkeypatch.setattr(load.asyncio, "sleep", sleep)
    asyncio.run(run())
    gaps = [b - a for a, b in pairwise(seen)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(1 / 4, rel=0.05)
    assert sum(g > mean for g in gaps) / len(gaps) == pytest.approx(0.368, abs=0.03)  # 1/e
