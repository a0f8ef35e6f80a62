"""run-batch: the server's answers, line by line, whatever the lines are and however often it is broken off."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from support.serving.programs import FRAMEWORKCTL, MARK, TIMEOUT, environment, frameworkctl, left_behind
from support.serving.server import RunningServer

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"


def request(custom_id: str, url: str = COMPLETIONS, **body: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body}


def answers(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def alike(body: Any) -> Any:
    """Without what differs from one call to the next."""
    return {k: v for k, v in body.items() if k not in ("id", "created", "usage")} if isinstance(body, dict) else body


def test_answers_are_those_of_the_server(checkpoints: dict[str, Path], server: RunningServer, tmp_path: Path) -> None:
    """Every family, two models, and errors; through standard input and output, then into a file."""
    talk = [{"role": "user", "content": "the lazy dog"}]
    requests = [
        request("greedy", model="a", prompt="the quick", temperature=0, max_tokens=9),
        request("seeded", model="b", prompt=["over", "the"], seed=3, n=2, max_tokens=9),
        request("chat", CHAT, model="a", messages=talk, temperature=0, max_tokens=9),
        request("tokens", "/tokenize", model="b", prompt="the quick"),
        request("models", "/v1/models"),
        request("nowhere", "/v1/nowhere?x=1"),
        request("wrong", model="a", prompt="a", temperature=7),
        request("model", model="c", prompt="a"),
    ]
    mark = uuid.uuid4().hex
    done = subprocess.run(
        [
            FRAMEWORKCTL,
            "run-batch",
            "-i",
            "-",
            "-o",
            "-",
            "--model",
            f"a={checkpoints['llama']}",
            "--model",
            f"b={checkpoints['qwen2']}",
            "--dtype",
            "float32",
            "--max-model-len",
            "512",
        ],
        input="\n".join(map(json.dumps, requests)),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env=environment(env={MARK: mark}),
    )
    assert done.returncode == 1, done.stderr  # some are errors
    got = {a["custom_id"]: a for a in map(json.loads, done.stdout.splitlines())}
    assert list(got) != []
    assert len(done.stdout.splitlines()) == len(requests)
    for wanted in requests:
        theirs = httpx.post(server.url + wanted["url"], json=wanted["body"], timeout=60)
        mine = got[wanted["custom_id"]]
        assert mine["response"]["status_code"] == theirs.status_code
        assert alike(mine["response"]["body"]) == alike(theirs.json())
        assert mine["id"].startswith("batch_req_")
        assert mine["response"]["request_id"]
        error = None if theirs.is_success else theirs.json()["error"]
        assert mine["error"] == (error and {"code": error["code"], "message": error["message"]})
    assert "4 of the answers are errors" in done.stderr
    assert left_behind(mark) == []


def test_bad_lines_fail_alone(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    lines = [
        "garbage",
        json.dumps(request("good", prompt="a", max_tokens=2)),
        "",
        "[]",
        json.dumps({"custom_id": "half"}),
        json.dumps(request("good", prompt="b")),
        json.dumps(request("stream", prompt="a", stream=True)),
        json.dumps({**request("list"), "body": [1]}),
        '{"custom_id": "cut", "url": "/v1/comp',
    ]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(lines))
    run = frameworkctl("run-batch", "-i", str(source), "-o", str(target), str(checkpoints["llama"]))
    assert run.status == 1, run.err
    found = {(a["custom_id"], a["id"] if "line" in a["id"] else ""): a for a in answers(target)}
    statuses = {key: a["response"]["status_code"] for key, a in found.items()}
    assert statuses == {
        ("good", ""): 200,
        (None, "batch_req_line_1"): 400,
        (None, "batch_req_line_4"): 400,
        ("half", ""): 400,
        ("good", "batch_req_line_6"): 400,
        ("stream", ""): 400,
        ("list", ""): 400,
        (None, "batch_req_line_9"): 400,
    }
    assert all(a["error"] is None or a["error"]["message"] for a in found.values())
    assert found["good", ""]["response"]["body"]["choices"][0]["text"] is not None
    assert found["half", ""]["response"]["body"]["error"]["code"] == "invalid_line"


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def engine_of(process: subprocess.Popen[bytes]) -> psutil.Process:
    """Its child's child."""
    (nursery,) = psutil.Process(process.pid).children()
    (engine,) = nursery.children()
    return engine


def test_killed_and_gone_on_with(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """An engine killed, the program killed, Ctrl-C: every request is answered once, as if nothing had been."""
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    prompts = [[20 + i, 7, 8] for i in range(24)]
    shared: dict[str, Any] = {"temperature": 0, "max_tokens": 150, "ignore_eos": True}
    source.write_text("".join(json.dumps(request(f"r{i}", prompt=p, **shared)) + "\n" for i, p in enumerate(prompts)))
    command = [
        FRAMEWORKCTL,
        "run-batch",
        "-i",
        str(source),
        "-o",
        str(target),
        str(checkpoints["llama"]),
        "--dtype",
        "float32",
        "--max-num-seqs",
        "2",
    ]
    mark = uuid.uuid4().hex

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stderr=subprocess.PIPE, env=environment(env={MARK: mark}))

    def lines() -> int:
        return target.read_bytes().count(b"\n") if target.exists() else 0

    first = start()
    wait_for(lambda: lines() >= 2, first)
    engine_of(first).kill()
    wait_for(lambda: lines() >= 6, first)
    first.kill()
    first.communicate(timeout=TIMEOUT)
    before = lines()
    with target.open("ab") as file:
        file.write(b'{"id": "batch_req_1", "custom_id": "r2')
    second = start()
    wait_for(lambda: lines() >= before + 2, second)
    second.send_signal(signal.SIGINT)
    _, told = second.communicate(timeout=TIMEOUT)
    assert second.returncode == 130, told
    assert b"the same command goes on" in told
    assert lines() < len(prompts)
    third = start()
    _, told = third.communicate(timeout=TIMEOUT)
    assert third.returncode == 0, told
    found = answers(target)
    assert sorted(a["custom_id"] for a in found) == sorted(f"r{i}" for i in range(len(prompts)))
    assert all(a["response"]["status_code"] == 200 for a in found)
    assert all(a["response"]["body"]["usage"]["completion_tokens"] == 150 for a in found)
    assert left_behind(mark) == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["-i", "nowhere.jsonl", "-o", "out.jsonl"], "nowhere.jsonl"),
        (["-o", "out.jsonl"], "-i"),
        (["-i", "in.jsonl", "-o", "in.jsonl"], "is the input"),
        (["-i", "in.jsonl", "-o", "notes.txt"], "line 1 of"),
        (["-i", "in.jsonl", "-o", "https://host/out"], "is no file"),
        (["-i", "in.jsonl", "-o", "out.jsonl", "--port", "1"], "--port"),
        (["-i", "in.jsonl", "-o", "out.jsonl", "--max-concurency", "1"], "--max-concurrency"),
        (["-i", "in.jsonl", "-o", "out.jsonl", "--max-concurrency", "0"], "from 1 on"),
    ],
)
def test_mistakes(
    args: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from frameworkctl.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jsonl").write_text("{}\n")
    (tmp_path / "notes.txt").write_text("mine\n")
    assert main(["run-batch", *args]) == 2
    assert words in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "mine\n"
    assert (tmp_path / "in.jsonl").read_text() == "{}\n"
