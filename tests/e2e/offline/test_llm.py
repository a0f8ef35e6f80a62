"""LLM in a Python program: the same tokens as transformers and as the server, and programs that end as they should."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from frameworkctl import LLM, SamplingParams
from support.serving.programs import MARK, TIMEOUT, environment, left_behind
from support.serving.server import RunningServer

GREEDY = SamplingParams(temperature=0, max_tokens=12, ignore_eos=True)
TEXTS = ["the quick brown fox", "over the", "dog and the other things"]
TALK = [{"role": "user", "content": "the lazy dog"}]


@pytest.fixture(scope="module")
def llm(checkpoints: dict[str, Path]) -> Iterator[LLM]:
    with LLM(checkpoints["llama"], dtype="float32", max_model_len=512, max_num_seqs=4) as made:
        yield made


def test_tokens_are_those_of_transformers(llm: LLM, checkpoints: dict[str, Path]) -> None:
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoints["llama"], dtype=torch.float32)
    tokenizer = llm.get_tokenizer()
    given = [*TEXTS, [7, 8, 9, 10], {"prompt_token_ids": [11, 12]}, {"prompt": "lazy", "cache_salt": "s"}]
    outputs = llm.generate(given, GREEDY, use_tqdm=False)
    assert [o.prompt for o in outputs] == [*TEXTS, None, None, "lazy"]
    assert [o.prompt_token_ids for o in outputs[3:5]] == [[7, 8, 9, 10], [11, 12]]
    for output in outputs:
        if output.prompt is not None:
            assert output.prompt_token_ids == tokenizer(output.prompt).input_ids
        ids = torch.tensor([output.prompt_token_ids])
        wanted = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=12,
            min_new_tokens=12,
            eos_token_id=None,
        )[0, ids.shape[1] :].tolist()
        (one,) = output.outputs
        assert one.token_ids == wanted
        whole = tokenizer.decode(wanted, skip_special_tokens=True)
        assert one.text == whole.rstrip("\ufffd")  # half a character at the end is not said
        assert (one.index, one.finish_reason, one.stop_reason, output.finished) == (0, "length", None, True)
        assert one.logprobs is None
        assert one.cumulative_logprob is None


def test_answers_are_those_of_the_server(llm: LLM, server: RunningServer) -> None:
    """Greedy with a stop string, seeded sampling with n, logprobs, and a conversation."""
    client = server.openai()
    shared: dict[str, Any] = {"temperature": 0.9, "seed": 5, "n": 2, "logprobs": 3, "max_tokens": 8}
    theirs = client.completions.create(model="a", prompt=TEXTS[0], **shared)
    (ours,) = llm.generate(TEXTS[0], SamplingParams(**shared), use_tqdm=False)
    for mine, choice in zip(ours.outputs, theirs.choices, strict=True):
        assert (mine.text, mine.finish_reason) == (choice.text, choice.finish_reason)
        own = [scores[token].logprob for scores, token in zip(mine.logprobs or (), mine.token_ids, strict=True)]
        assert own == pytest.approx(choice.logprobs.token_logprobs, abs=1e-4)
        assert mine.cumulative_logprob == pytest.approx(sum(own))
        best = [min(s.values(), key=lambda p: p.rank or 99) for s in mine.logprobs or ()]
        assert all(b.rank == 1 and b.logprob >= o for b, o in zip(best, own, strict=True))
    free = client.chat.completions.create(model="a", messages=TALK, temperature=0, max_tokens=20)
    text = free.choices[0].message.content
    (talk,) = llm.chat(TALK, SamplingParams(temperature=0, max_tokens=20), use_tqdm=False)
    assert talk.outputs[0].text == text
    stop = text[5:7]
    (cut,) = llm.chat([TALK], SamplingParams(temperature=0, max_tokens=20, stop=stop), use_tqdm=False)
    assert cut.outputs[0].text == text[: text.index(stop)]
    assert (cut.outputs[0].finish_reason, cut.outputs[0].stop_reason) == ("stop", stop)


def test_many_prompts_each_with_its_own(llm: LLM) -> None:
    """More than can run at once, in their order; scores of the prompt; structured output; templates."""
    lengths = [1 + i % 5 for i in range(30)]
    params = [SamplingParams(temperature=0, max_tokens=m, ignore_eos=True) for m in lengths]
    outputs = llm.generate([[20 + i, 7] for i in range(30)], params)
    assert [o.prompt_token_ids[0] for o in outputs] == [20 + i for i in range(30)]
    assert [len(o.outputs[0].token_ids) for o in outputs] == lengths
    assert len({o.request_id for o in outputs}) == 30
    (scored,) = llm.generate(TEXTS[0], SamplingParams(max_tokens=1, prompt_logprobs=1), use_tqdm=False)
    scores = scored.prompt_logprobs
    assert scores is not None
    assert scores[0] is None
    assert all(s is not None and token in s for s, token in list(zip(scores, scored.prompt_token_ids, strict=True))[1:])
    choice = SamplingParams(structured_outputs={"choice": ["fox", "dog"]}, max_tokens=20, seed=1)
    assert llm.generate(TEXTS[1], choice, use_tqdm=False)[0].outputs[0].text in ("fox", "dog")
    (told,) = llm.chat(
        TALK,
        GREEDY,
        use_tqdm=False,
        chat_template="{{ messages[0].content }}!{{ tools | length }}",
        tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
    )
    assert told.prompt == "the lazy dog!1"
    assert llm.generate([]) == []


@pytest.mark.parametrize(
    ("prompts", "params", "words"),
    [
        ([TEXTS[0], ""], GREEDY, "prompt must"),
        (TEXTS[0], SamplingParams(max_tokens=600), "max_tokens=600"),
        ("the " * 600, GREEDY, "context is 512"),
        ([[5, 99999]], GREEDY, "99999"),
        ([{"text": "a"}], GREEDY, "'text'"),
        (TEXTS, [GREEDY], "1 entries for 3"),
        (TEXTS[0], SamplingParams(stop_token_ids=[999]), "stop_token_ids"),
        (TEXTS[0], SamplingParams(extra_args={"nobody": {}}), "nobody"),
    ],
)
def test_mistakes_are_value_errors_and_leave_nothing(llm: LLM, prompts: Any, params: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        llm.generate(prompts, params, use_tqdm=False)
    assert len(llm.generate(TEXTS, GREEDY, use_tqdm=False)) == 3
    engine = llm._service.supervisor.engines[0]
    assert engine.client is not None
    assert engine.client.open_sequences == 0


def test_a_model_that_cannot_be_run(tmp_path: Path, checkpoints: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        LLM(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="max-model-len 9999"):
        LLM(checkpoints["llama"], max_model_len=9999)


def test_closed_is_closed(checkpoints: dict[str, Path]) -> None:
    """An engine that died comes back by itself; a closed one does not."""
    llm = LLM(checkpoints["qwen2"], dtype="float32", max_model_len=128)
    before = llm.generate(TEXTS[0], GREEDY, use_tqdm=False)[0].outputs[0].text
    pid = llm._service.supervisor.engines[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while llm._service.supervisor.engines[0].pid == pid and llm._service.supervisor.engines[0].state == "ready":
        time.sleep(0.01)
    assert llm.generate(TEXTS[0], GREEDY, use_tqdm=False)[0].outputs[0].text == before
    llm.close()
    llm.close()
    with pytest.raises(RuntimeError, match="closed"):
        llm.generate(TEXTS[0])


PLUGIN = """
from frameworkctl.interfaces import OutputFilter, hookimpl

class Shout(OutputFilter):
    def process(self, output):
        output.text = output.text.upper()
        return output

@hookimpl
def filter_output(request, model, call):
    return Shout()
"""
SCRIPT = """
import sys
from frameworkctl import LLM, SamplingParams

llm = LLM({plain!r}, dtype="float32", max_model_len=512)
loud = LLM({plain!r}, dtype="float32", max_model_len=512, plugins=[{plugin!r}])
params = SamplingParams(temperature=0, max_tokens=8)
print("PLAIN", ascii(llm.generate("the quick", params)[0].outputs[0].text))
print("LOUD", ascii(loud.generate("the quick", params, use_tqdm=False)[0].outputs[0].text))
print("LOADED", *{{"torch", "transformers"}} & set(sys.modules))
endless = SamplingParams(max_tokens=400, ignore_eos=True)
try:
    print("BUSY", flush=True)
    while True:
        llm.generate(["the"] * 50, endless, use_tqdm=False)
except KeyboardInterrupt:
    print("STOPPED", ascii(llm.generate("the quick", params, use_tqdm=False)[0].outputs[0].text))
raise SystemExit(7)
"""


def test_a_plain_script(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """No guard for __main__, no close: two LLMs, plugins, Ctrl-C in the middle, and nothing is left when it ends."""
    (tmp_path / "shout.py").write_text(PLUGIN)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(plain=str(checkpoints["llama"]), plugin=str(tmp_path / "shout.py")))
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(env={MARK: mark}),
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.split(maxsplit=1))
        if line.startswith("BUSY"):
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=TIMEOUT)
    said = {words[0]: words[-1].strip() for words in [*lines, *(line.split(maxsplit=1) for line in out.splitlines())]}
    assert process.returncode == 7, err
    assert said["STOPPED"] == said["PLAIN"]
    assert eval(said["LOUD"]) == eval(said["PLAIN"]).upper() != eval(said["PLAIN"])
    assert said["LOADED"] == "LOADED"
    assert "Processed prompts: 100%" in err
    assert left_behind(mark) == []
