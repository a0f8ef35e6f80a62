"""What the log says when a server is ready."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from safetensors import safe_open
from support.serving.programs import FRAMEWORKCTL, environment
from support.serving.server import RunningServer
from support.serving.terminal import CTRL_C, Terminal

pytestmark = pytest.mark.e2e


def parameters(folder: Path) -> int:
    with safe_open(folder / "model.safetensors", framework="pt") as weights:
        return sum(weights.get_tensor(name).numel() for name in weights.keys())  # noqa: SIM118


def test_a_line_for_each_model(server: RunningServer, checkpoints: dict[str, Path]) -> None:
    log = server.logged(rf"ready after \d+\.\d s at {server.url}$")
    lines = log.splitlines()
    for name, family, architecture in (("a", "llama", "LlamaForCausalLM"), ("b", "qwen2", "Qwen2ForCausalLM")):
        [line] = [line for line in lines if f": {name}: {architecture}" in line]
        assert re.search(r"\(frameworkctl \d[^)]*\), ", line)
        assert f" {parameters(checkpoints[family]) / 1e3:.3g} k parameters in float32 on " in line
        tokens, pages = (int(n.replace(",", "")) for n in re.findall(r"([\d,]+) (?:tokens|pages)", line)[:2])
        assert tokens == pages * 16  # one group of pages of 16 tokens
        assert line.endswith("at most 512 tokens a sequence")


def test_at_a_terminal(checkpoints: dict[str, Path]) -> None:
    """The same lines, each on its own; Ctrl-C ends the server."""
    command = [FRAMEWORKCTL, "serve", str(checkpoints["llama"]), "--port", "0", "--max-model-len", "64"]
    with Terminal(command, environment()) as terminal:
        terminal.expect("at most 64 tokens a sequence\n")
        terminal.expect("ready after ")
        terminal.expect("http://127.0.0.1:")
        terminal.type(CTRL_C)
        assert terminal.wait() == 0
    assert "Traceback" not in terminal.text
