"""Every decoder family against transformers on the same weights: logits and greedy tokens, in every way of running."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from frameworkctl.params import SamplingParams
from support.checkpoints import FAMILIES, VOCAB
from support.inprocess import InProcessEngine

TOKENS = 64
TOLERANCE = 1e-3
GREEDY = SamplingParams(max_tokens=TOKENS, temperature=0.0, ignore_eos=True)
LENGTHS = (5, 61, 17, 100, 1)


def prompts(seed: int = 0, lengths: Sequence[int] = LENGTHS) -> list[list[int]]:
    torch.manual_seed(seed)
    return [torch.randint(5, VOCAB, (n,)).tolist() for n in lengths]


@lru_cache(maxsize=len(FAMILIES))
def oracle(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def check(engine: InProcessEngine, folder: Path, given: list[list[int]], outputs: list[list[int]]) -> None:
    """Logits of every generated position, and the tokens, are transformers' own."""
    for number, (prompt, output) in enumerate(zip(given, outputs, strict=True), start=1):
        assert len(output) == min(TOKENS, engine.max_model_len - len(prompt))
        with torch.no_grad():
            want = oracle(folder)(torch.tensor([prompt + output])).logits[0, len(prompt) - 1 : -1]
        got = torch.stack(engine.logits[number])
        assert got.shape == want.shape
        assert (got - want).abs().max() < TOLERANCE
        assert want.argmax(dim=-1).tolist() == output


@pytest.fixture(params=sorted(FAMILIES))
def folder(request: pytest.FixtureRequest, checkpoints: dict[str, Path]) -> Path:
    return checkpoints[request.param]


def engine_of(folder: Path, **options: Any) -> InProcessEngine:
    engine = InProcessEngine(folder, **options)
    engine.record_logits = True
    return engine


@pytest.mark.parametrize("overlap", [False, True], ids=["sync", "overlap"])
def test_mixed_lengths_in_one_batch(folder: Path, overlap: bool) -> None:
    engine = engine_of(folder, overlap=overlap)
    check(engine, folder, prompts(), engine.generate(prompts(), GREEDY))


def test_alone(folder: Path) -> None:
    engine = engine_of(folder)
    given = prompts(lengths=(40,))
    check(engine, folder, given, engine.generate(given, GREEDY))


@pytest.mark.parametrize("overlap", [False, True], ids=["sync", "overlap"])
def test_prefill_in_chunks_of_16(folder: Path, overlap: bool) -> None:
    engine = engine_of(folder, overlap=overlap, max_num_batched_tokens=16)
    check(engine, folder, prompts(), engine.generate(prompts(), GREEDY))


def test_prefix_hits(folder: Path) -> None:
    """The second batch finds the first one's pages, and says the same as without them."""
    engine = engine_of(folder)
    shared = prompts(lengths=(80,))[0]
    engine.generate([shared], GREEDY)
    given = [shared + tail for tail in prompts(seed=1, lengths=(3, 20))] + [shared[:50]]
    engine.logits.clear()
    first = engine.cache.hit_tokens
    outputs = engine.generate(given, GREEDY)
    assert engine.cache.hit_tokens - first >= 80 + 80 + 48 - 3 * 16
    engine.logits = {i: engine.logits[i + 1] for i in (1, 2, 3)}  # sequence 1 was the first batch
    check(engine, folder, given, outputs)


@pytest.mark.parametrize("overlap", [False, True], ids=["sync", "overlap"])
def test_forced_preemption(folder: Path, overlap: bool) -> None:
    """A pool that holds one and a half of the five sequences."""
    sizes = {"max_model_len": 200, "max_num_batched_tokens": 32}  # short chunks: windows need few pages
    need = InProcessEngine(folder, **sizes).built.layout.max_pages(200, 32)
    engine = engine_of(folder, overlap=overlap, num_gpu_blocks_override=need * 3 // 2, **sizes)
    outputs = engine.generate(prompts(), GREEDY)
    assert engine.scheduler.preemptions > 0
    for logits in engine.logits.values():
        assert len(logits) == TOKENS  # preemption repeats no token
    check(engine, folder, prompts(), outputs)


def test_two_ranks_compute_the_same(folder: Path, tmp_path: Path) -> None:
    """Two gloo processes with half of the heads and half of the MLP each, driven by the same plans."""
    from support.ranks import generate_on_ranks

    single = InProcessEngine(folder)
    given = prompts(lengths=(5, 40, 17))
    want = single.generate(given, GREEDY)
    results = generate_on_ranks(folder, given, TOKENS, ranks=2, store=tmp_path / "store")
    for outputs, logits in results:
        assert outputs == want
        for number, prompt in enumerate(given, start=1):
            with torch.no_grad():
                reference = oracle(folder)(torch.tensor([prompt + want[number - 1]])).logits[0, len(prompt) - 1 : -1]
            assert (logits[number] - reference).abs().max() < TOLERANCE


def test_bf16_sharded_checkpoint(tmp_path: Path) -> None:
    """Weights in several bfloat16 files, computed in float32, equal transformers on the same weights in float32."""
    from support.checkpoints import make_checkpoint

    folder = make_checkpoint("llama", tmp_path, dtype="bfloat16", shard="100KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    engine = engine_of(folder)
    check(engine, folder, prompts(), engine.generate(prompts(), GREEDY))


def test_bf16_arithmetic_is_close(tmp_path: Path) -> None:
    """In bfloat16 itself the first token's logits stay near those of float32."""
    from support.checkpoints import make_checkpoint

    folder = make_checkpoint("gemma2", tmp_path, dtype="bfloat16")
    engine = engine_of(folder, dtype="bfloat16")
    given = prompts(lengths=(40,))
    engine.generate(given, SamplingParams(max_tokens=1, temperature=0.0))
    with torch.no_grad():
        want = oracle(folder)(torch.tensor(given)).logits[0, -1]
    assert torch.nn.functional.cosine_similarity(engine.logits[1][0], want, dim=0) > 0.98
