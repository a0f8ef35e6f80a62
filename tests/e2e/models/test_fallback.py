"""A model without native code, served as users do; and one that brings code, which is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.checkpoints.generic import make_generic
from support.checkpoints.tiny import add_text_side
from support.serving.programs import frameworkctl
from support.serving.server import start_server

pytestmark = pytest.mark.e2e


def test_gpt2_answers_as_transformers_does(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    folder = make_generic("gpt2", tmp_path)
    add_text_side(folder)
    server = start_server([str(folder), "--served-model-name", "gpt2"])
    try:
        prompt = [17, 300, 41, 5, 260, 33]
        reply = server.openai().completions.create(
            model="gpt2",
            prompt=prompt,
            max_tokens=12,
            temperature=0,
            extra_body={"return_token_ids": True, "ignore_eos": True},
        )
        ids = reply.choices[0].model_extra["token_ids"]
    finally:
        server.stop()
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    with torch.no_grad():
        want = model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1].argmax(dim=-1)
    assert ids == want.tolist()
    assert "Traceback" not in server.log


def test_code_of_a_checkpoint_is_named_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    folder = make_generic("gpt2", tmp_path / "own")
    add_text_side(folder)
    text = (folder / "config.json").read_text().replace('"gpt2"', '"gpt_of_mine"')
    auto = '"auto_map": {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"}'
    (folder / "config.json").write_text(text.replace("{", "{" + auto + ",", 1))
    (folder / "mine.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    run = frameworkctl("serve", str(folder), "--port", "0")
    assert run.status == 2
    assert run.left == []
    assert "Traceback" not in run.err
    last = run.err.strip().splitlines()[-1]
    assert last.startswith("frameworkctl: model ")
    assert "knows no model_type 'gpt_of_mine'; code that comes with a checkpoint (auto_map) is never run" in last
    assert not marker.exists()
