"""Logprobs of prompt tokens, held to transformers' logits on the same weights, however the prompt was computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.plan import PromptScores
from frameworkctl.scheduling.sequence import Sequence
from frameworkctl.testing import InProcessEngine
from support.checkpoints.tiny import VOCAB

TOP = 5
PARAMS = SamplingParams(max_tokens=3, temperature=0.0, ignore_eos=True, prompt_logprobs=TOP)
PLAIN = SamplingParams(max_tokens=3, temperature=0.0, ignore_eos=True)


def prompts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randint(5, VOCAB, (n,), generator=generator).tolist() for n in (60, 1, 37, 2)]


def hold_to_transformers(folder: Path, prompt: list[int], parts: list[PromptScores]) -> None:
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        wanted = torch.log_softmax(model(torch.tensor([prompt])).logits[0, :-1].double(), dim=-1).numpy()
    assert sorted((p.start, p.start + p.count) for p in parts) == [(p.start, p.start + p.count) for p in parts]
    assert [at for p in parts for at in range(p.start, p.start + p.count)] == list(range(1, len(prompt)))
    for part in parts:
        rows = wanted[part.start - 1 : part.start - 1 + part.count]
        targets = prompt[part.start : part.start + part.count]
        own = rows[np.arange(part.count), targets]
        np.testing.assert_allclose(np.frombuffer(part.own, np.float32), own, atol=1e-3)
        assert np.frombuffer(part.ranks, np.int32).tolist() == ((rows > own[:, None]).sum(axis=1) + 1).tolist()
        ids = np.frombuffer(part.ids, np.int32).reshape(part.count, part.width)
        best = np.argsort(-rows, axis=1, kind="stable")[:, : part.width]
        assert ids.tolist() == best.tolist()
        values = np.frombuffer(part.values, np.float32).reshape(part.count, part.width)
        np.testing.assert_allclose(values, np.take_along_axis(rows, best, axis=1), atol=1e-3)


def scores_of(engine: InProcessEngine, seq: Sequence) -> list[PromptScores]:
    return [e.scores for e in engine.events[seq.id] if e.scores is not None]


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("llama", {}),
        ("llama", {"max_num_batched_tokens": 16}),
        ("gemma2", {"max_num_batched_tokens": 16}),
        ("llama", {"max_num_batched_tokens": 16, "overlap": True}),
    ],
)
def test_prompt_logprobs(checkpoints: dict[str, Path], family: str, options: dict[str, object]) -> None:
    """Whole and in chunks, among neighbours that do not ask, and again when the prefix cache knows the prompt."""
    engine = InProcessEngine(checkpoints[family], **options)
    plain = engine.generate(prompts(), PLAIN)
    for _ in range(2):
        seqs = [engine.add(p, PARAMS if i != 2 else PLAIN) for i, p in enumerate(prompts())]
        engine.run()
        assert [list(s.tokens[s.prompt_len :]) for s in seqs] == plain
        for i, (seq, prompt) in enumerate(zip(seqs, prompts(), strict=True)):
            if i == 2:
                assert scores_of(engine, seq) == []
                assert seq.cached_tokens == 32  # asking for nothing costs nothing
            else:
                assert seq.cached_tokens == 0
                hold_to_transformers(checkpoints[family], prompt, scores_of(engine, seq))
    engine.check_idle()


def test_scored_once_though_preempted(checkpoints: dict[str, Path]) -> None:
    """Those whose prompt was done are computed again without scores, and may use the prefix cache."""
    long = SamplingParams(max_tokens=60, temperature=0.0, ignore_eos=True, prompt_logprobs=TOP)
    engine = InProcessEngine(
        checkpoints["llama"], max_num_batched_tokens=32, max_model_len=128, num_gpu_blocks_override=13
    )
    given = [prompts()[0], prompts()[2]]
    seqs = [engine.add(p, long) for p in given]
    engine.run()
    assert engine.scheduler.preemptions > 0
    for seq, prompt in zip(seqs, given, strict=True):
        hold_to_transformers(checkpoints["llama"], prompt, scores_of(engine, seq))
