"""``frameworkctl chat`` and ``complete``, against a server that keeps what it was sent."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from frameworkctl.cli import main
from support.serving.fake_server import FakeServer, serve_fake
from support.serving.programs import FRAMEWORKCTL, Run, environment
from support.serving.terminal import CTRL_C, CTRL_D, Terminal

Program = Callable[..., Run]


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with serve_fake() as server:
        yield server


@pytest.fixture
def program(fake: FakeServer, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Program:
    """The command in this process, at the fake server, with ``typed`` piped into it."""
    for name in ("OPENAI_API_KEY", "FRAMEWORKCTL_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(command: str, *args: str, typed: str = "") -> Run:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        url = () if "--url" in args else ("--url", fake.url)
        status = main([command, *url, *args])
        return Run(status, *capfd.readouterr(), [])

    return run


def test_a_question(fake: FakeServer, program: Program) -> None:
    done = program("chat", "-q", "Hi", "--system-prompt", "Be brief.", "--max-tokens", "7", "--temperature", "0.5")
    assert (done.status, done.out, done.err) == (0, "Hello!\n", "")
    system, user = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}
    assert fake.bodies == [
        {"model": "first", "messages": [system, user], "max_tokens": 7, "temperature": 0.5, "stream": True}
    ]
    assert "authorization" not in fake.headers


def test_nothing_is_sent_that_was_not_said(fake: FakeServer, program: Program) -> None:
    program("chat", "-q", "Hi", "--model-name", "second")
    assert fake.bodies == [{"model": "second", "messages": [{"role": "user", "content": "Hi"}], "stream": True}]


def test_piped_lines_are_turns_of_one_conversation(fake: FakeServer, program: Program) -> None:
    done = program("chat", "--system-prompt", "S", typed="one\n\n/clear is only for people\\\nthree")
    assert (done.status, done.out) == (0, "Hello!\n" * 3)
    answer = {"role": "assistant", "content": "Hello!"}
    turns = [{"role": "user", "content": t} for t in ("one", "/clear is only for people\\", "three")]
    assert [b["messages"][1:] for b in fake.bodies] == [
        turns[:1],
        [turns[0], answer, turns[1]],
        [turns[0], answer, turns[1], answer, turns[2]],
    ]
    assert all(b["messages"][0] == {"role": "system", "content": "S"} for b in fake.bodies)


def test_complete_has_no_history(fake: FakeServer, program: Program) -> None:
    done = program("complete", "--max-tokens", "3", typed="one\ntwo\n")
    assert (done.status, done.out) == (0, "Hello!\nHello!\n")
    assert fake.bodies == [{"model": "first", "max_tokens": 3, "prompt": p, "stream": True} for p in ("one", "two")]
    assert program("complete", "-q", "x").out == "Hello!\n"


@pytest.mark.parametrize(
    ("args", "env", "key"),
    [
        (("--api-key", "k"), {"OPENAI_API_KEY": "o"}, "k"),
        ((), {"OPENAI_API_KEY": "o"}, "o"),
        ((), {"OPENAI_API_KEY": "o", "FRAMEWORKCTL_API_KEY": "f"}, "f"),
    ],
)
def test_the_key(
    args: tuple[str, ...],
    env: dict[str, str],
    key: str,
    fake: FakeServer,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    program("chat", "-q", "Hi", *args)
    assert fake.headers["authorization"] == f"Bearer {key}"


@pytest.mark.parametrize("form", ["{}", "{}/", "{}/v1", "{}/v1/"])
def test_the_url_may_have_v1(form: str, fake: FakeServer, program: Program) -> None:
    assert program("chat", "-q", "Hi", "--url", form.format(fake.url)).out == "Hello!\n"
    assert program("chat", "-q", "Hi", "--url", form.format(fake.url).removeprefix("http://")).out == "Hello!\n"


class TestErrors:
    """One line on stderr and status 2."""

    def line(self, done: Run) -> str:
        assert done.status == 2
        assert done.err.startswith("frameworkctl: ")
        assert done.err.count("\n") == 1
        return done.err.removeprefix("frameworkctl: ").rstrip("\n")

    @pytest.mark.parametrize("command", ["chat", "complete"])
    def test_no_server(self, command: str, program: Program) -> None:
        line = self.line(program(command, "-q", "Hi", "--url", "http://127.0.0.1:9"))
        assert line.startswith("cannot reach http://127.0.0.1:9: Connection refused")
        assert "frameworkctl serve" in line

    @pytest.mark.parametrize("url", ["ftp://a", "http://:80", "localhost:x", "http://a:99999", ""])
    def test_no_url(self, url: str, program: Program) -> None:
        assert self.line(program("chat", "-q", "Hi", "--url", url)) == f"--url: {url!r} is not http://HOST:PORT"

    @pytest.mark.parametrize("args", [("--max-tokens", "many"), ("--max", "3"), ("Hi",), ("--model",)])
    def test_no_such_option(self, args: tuple[str, ...], program: Program) -> None:
        line = self.line(program("chat", *args))
        assert args[0] in line
        assert line.endswith("(see frameworkctl chat --help)")

    def test_what_the_server_says(self, fake: FakeServer, program: Program) -> None:
        fake.status = 400
        done = program("chat", typed="one\ntwo")
        assert self.line(done) == "no such luck"
        assert (done.out, len(fake.bodies)) == ("", 1)

    def test_a_reply_that_is_no_json(self, fake: FakeServer, program: Program) -> None:
        fake.status, fake.error = 502, "<html>"
        assert self.line(program("chat", "-q", "Hi")) == f"{fake.url} answered 502 Bad Gateway"

    def test_an_error_in_the_stream(self, fake: FakeServer, program: Program) -> None:
        fake.ending = ['data: {"error": {"message": "the engine died"}}', "data: [DONE]"]
        done = program("chat", "-q", "Hi")
        assert (done.out, self.line(done)) == ("Hello!\n", "the engine died")

    def test_a_stream_that_just_ends(self, fake: FakeServer, program: Program) -> None:
        fake.ending = []
        assert self.line(program("chat", "-q", "Hi")) == "the server broke the answer off"


class TestTerminal:
    """What a person at a terminal types and sees."""

    @pytest.fixture
    def chat(self, fake: FakeServer) -> Iterator[Terminal]:
        with Terminal([FRAMEWORKCTL, "chat", "--url", fake.url, "--system-prompt", "S"], environment()) as terminal:
            terminal.expect("> ")
            yield terminal

    def say(self, chat: Terminal, text: str) -> str:
        chat.type(text + "\n")
        chat.expect("\n")
        return chat.expect("> ")

    def test_a_conversation(self, chat: Terminal, fake: FakeServer) -> None:
        assert chat.text.startswith(f"first at {fake.url}. /help tells what can be typed")
        assert self.say(chat, "one") == "Hello!\n"
        assert self.say(chat, "two") == "Hello!\n"
        assert [m["content"] for m in fake.bodies[-1]["messages"]] == ["S", "one", "Hello!", "two"]
        self.say(chat, "/clear")
        self.say(chat, "/system Other words.")
        self.say(chat, "three")
        assert [m["content"] for m in fake.bodies[-1]["messages"]] == ["Other words.", "three"]
        self.say(chat, "/system")
        self.say(chat, "four")
        assert [m["content"] for m in fake.bodies[-1]["messages"]] == ["three", "Hello!", "four"]
        assert "/clear" in self.say(chat, "/help")
        assert "/hlp is no command" in self.say(chat, "/hlp")
        chat.type("/exit\n")
        assert chat.wait() == 0
        assert len(fake.bodies) == 4

    def test_several_lines(self, chat: Terminal, fake: FakeServer) -> None:
        chat.type("one \\\ntwo\n")
        chat.expect("Hello!\n> ")
        chat.type('"""three\n\n  four\n"""\n')
        chat.expect("Hello!\n> ")
        assert [m["content"] for m in fake.bodies[-1]["messages"][1::2]] == ["one \ntwo", "three\n\n  four"]

    def test_errors_are_lines_and_leave_no_trace(self, chat: Terminal, fake: FakeServer) -> None:
        fake.status = 503
        assert self.say(chat, "one") == "frameworkctl: no such luck\n"
        fake.status = 200
        self.say(chat, "two")
        assert [m["content"] for m in fake.bodies[-1]["messages"]] == ["S", "two"]

    def test_escape_sequences_of_an_answer_do_nothing(self, chat: Terminal, fake: FakeServer) -> None:
        fake.words = ["a\x1b[2J", "b\tc\n"]
        shown = self.say(chat, "one")
        assert shown == "a\ufffd[2Jb\tc\n\n"

    def test_ends(self, chat: Terminal) -> None:
        chat.type("half a thought")
        chat.expect("half a thought")
        chat.interrupt(until="(Ctrl-D or /exit ends)\n> ")
        chat.type(CTRL_D)
        assert chat.wait() == 0

    def test_complete(self, fake: FakeServer) -> None:
        with Terminal([FRAMEWORKCTL, "complete", "--url", fake.url], environment()) as terminal:
            terminal.expect("> ")
            assert self.say(terminal, "Once upon") == "Hello!\n"
            terminal.type("/exit\n")
            assert terminal.wait() == 0
        assert [b["prompt"] for b in fake.bodies] == ["Once upon"]


def test_ctrl_c_ends_what_is_no_conversation(fake: FakeServer) -> None:
    """Status 130 and no traceback, with ``-q`` at a terminal."""
    fake.words = itertools.repeat(".")
    with Terminal([FRAMEWORKCTL, "chat", "--url", fake.url, "-q", "Hi"], environment()) as terminal:
        while not fake.bodies:
            terminal._read(0.05)
        terminal.type(CTRL_C)
        assert terminal.wait() == 130
    assert "Traceback" not in terminal.text


def test_a_reader_that_leaves_early_is_no_error(fake: FakeServer) -> None:
    fake.words = ["word "] * 20_000
    command = [FRAMEWORKCTL, "chat", "--url", fake.url, "-q", "Hi"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(5)
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait(60)


@pytest.mark.parametrize(("tasks", "chosen"), [(["classify"], "second"), (["generate"], "first"), (None, "first")])
def test_without_a_name_it_is_the_first_model_that_generates(
    fake: FakeServer, program: Program, tasks: list[str] | None, chosen: str
) -> None:
    fake.cards = [{"id": "first", "tasks": tasks}, {"id": "second", "tasks": ["generate"]}]
    assert program("chat", "-q", "hello").status == 0
    assert fake.bodies[0]["model"] == chosen
