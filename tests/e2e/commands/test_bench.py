"""Measurements of the bundled model, from the command line: a server started for it, batches in process, a start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.serving.programs import frameworkctl

pytestmark = pytest.mark.e2e
ENGINE = ("demo", "--max-model-len", "256", "--kv-cache-memory-bytes", "16M")


def test_serve(tmp_path: Path) -> None:
    files = ("--json", str(tmp_path / "out.json"), "--chart", str(tmp_path / "out.svg"))
    load = ("--concurrency", "1,4", "--requests", "6", "--input-len", "8", "--output-len", "6")
    shared = ("--shared-prefix-len", "48")
    done = frameworkctl("bench", "serve", *ENGINE, *load, *shared, *files)
    assert done.status == 0, done.err
    assert done.left == []
    report = json.loads((tmp_path / "out.json").read_text())
    assert (report["model"], report["prompts"]) == ("demo", "token ids")
    # A busy machine may have put several tokens in a piece; nothing else is to be told.
    assert [note for note in report["notes"] if "a piece of an answer" not in note] == []
    for level in report["levels"]:
        assert (level["completed"], level["failed"], level["output_tokens"]) == (6, 0, 36)
        assert level["input_tokens"] == 6 * 56
        assert level["counted"]
        # One client: the first computes the prefix and the other five find it.
        assert level["concurrency"] > 1 or level["cached_tokens"] == 5 * 48
    assert (tmp_path / "out.svg").stat().st_size > 1000


@pytest.mark.parametrize("kind", ["latency", "throughput"])
def test_in_process(kind: str, tmp_path: Path) -> None:
    size = {"latency": ("--batch-size", "3", "--num-iters", "2"), "throughput": ("--num-prompts", "5")}[kind]
    lengths = ("--input-len", "8", "--output-len", "4", "--num-iters-warmup", "1")
    done = frameworkctl("bench", kind, *ENGINE, *size, *lengths, "--json", str(tmp_path / "out.json"))
    assert done.status == 0, done.err
    assert done.left == []
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["output_throughput"] > 0


def test_startup() -> None:
    done = frameworkctl("bench", "startup", "--num-iters", "1", "--num-iters-warmup", "0", *ENGINE)
    assert done.status == 0, done.err
    assert done.left == []
    assert done.out.startswith("first token after ")
