"""``frameworkctl chat`` with a real server: the answers are the API's own, and Ctrl-C ends the work behind one."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from support.checkpoints.tiny import make_checkpoint
from support.serving.programs import FRAMEWORKCTL, environment, frameworkctl
from support.serving.server import RunningServer, start_server
from support.serving.terminal import CTRL_C, CTRL_D, Terminal

pytestmark = pytest.mark.e2e

ENDLESS = '''
"""Answers that end only by their length."""
from frameworkctl.interfaces import hookimpl

@hookimpl(wrapper=True)
def parse_request(call):
    request = yield
    request.ignore_eos = True
    return request
'''


def test_piped_turns_are_what_the_api_answers(server: RunningServer) -> None:
    args = ["--url", server.url, "--temperature", "0", "--max-tokens", "12", "--system-prompt", "the fox"]
    done = subprocess.run(
        [FRAMEWORKCTL, "chat", *args],
        input="the dog\nover there\n",
        capture_output=True,
        text=True,
        env=environment(),
        timeout=120,
        check=True,
    )
    messages = [{"role": "system", "content": "the fox"}]
    expected = ""
    for turn in ("the dog", "over there"):
        messages.append({"role": "user", "content": turn})
        reply = server.openai().chat.completions.create(model="a", messages=messages, temperature=0, max_tokens=12)
        text = reply.choices[0].message.content
        messages.append({"role": "assistant", "content": text})
        expected += text + "\n"
    assert len(expected) > 4
    assert done.stdout == expected.replace("\r\n", "\n").replace("\r", "\n")  # as text=True reads them


def test_complete_is_what_the_api_answers(server: RunningServer) -> None:
    done = frameworkctl("complete", "--url", server.url, "--model", "b", "--temperature", "0", "-q", "the quick")
    reply = server.openai().completions.create(model="b", prompt="the quick", temperature=0)
    assert done.status == 0
    assert done.out == (reply.choices[0].text + "\n").replace("\r\n", "\n").replace("\r", "\n")


def test_what_the_server_refuses_is_one_line(server: RunningServer) -> None:
    done = frameworkctl("chat", "--url", server.url, "--model", "c", "-q", "x")
    assert (done.status, done.out) == (2, "")
    assert done.err == "frameworkctl: The model 'c' does not exist; served are a, b.\n"


def test_ctrl_c_stops_the_answer_and_the_server(tmp_path: Path) -> None:
    """An answer of 16,000 tokens is stopped at its first ones; the conversation goes on."""
    folder = make_checkpoint("qwen2", tmp_path / "long", max_position_embeddings=16384)
    (tmp_path / "endless.py").write_text(ENDLESS)
    args = ["--plugins", str(tmp_path / "endless.py"), "--kv-cache-memory-bytes", "64M"]
    server = start_server([str(folder), *args])
    try:
        with Terminal([FRAMEWORKCTL, "chat", "--url", server.url], environment()) as terminal:
            terminal.expect("> ")
            terminal.type("the dog\n")
            terminal.expect("the dog\n")
            while not server.health()["models"][str(folder)]["running"]:
                time.sleep(0.02)
            terminal.type(CTRL_C)
            terminal.expect(" [stopped]\n> ")
            server.wait_idle()
            server.logged("client disconnected")
            terminal.type(CTRL_D)
            assert terminal.wait() == 0
            assert "Traceback" not in terminal.text
    finally:
        server.stop()
