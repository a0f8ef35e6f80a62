"""A model against transformers on the same weights, in every way in which an engine may run it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from frameworkctl.params import SamplingParams

from .inprocess import InProcessEngine

MODES = ("batch", "alone", "chunks", "prefix", "preemption")
TOKENS = 64
LENGTHS = (5, 61, 17, 100, 1)
GREEDY = SamplingParams(max_tokens=TOKENS, temperature=0.0, ignore_eos=True)
LONGEST = 200  # tokens of prompt and answer


class Parity:
    """Greedy tokens and the logits of every one of them, for one checkpoint run in one of ``MODES``:

    ``batch``: prompts of 1 to 100 tokens together; ``alone``: one prompt; ``chunks``: prompts computed 16 tokens at a
    time; ``prefix``: prompts whose beginnings are in the cache; ``preemption``: more sequences than the cache holds.
    """

    def __init__(self, folder: Path, mode: str) -> None:
        if mode not in MODES:
            raise ValueError(f"mode {mode!r} is not one of {', '.join(MODES)}")
        self.folder, self.mode = folder, mode

    def check(self, *, tolerance: float = 1e-3, **options: Any) -> None:
        """Run and compare. ``options`` go to the InProcessEngine.

        Raises:
            AssertionError: naming the prompt and the first token that differs, or what did not happen.
        """
        getattr(self, f"_{self.mode}")(tolerance, options)

    def _batch(self, tolerance: float, options: dict[str, Any]) -> None:
        self._run(_engine(self.folder, options), LENGTHS, tolerance)

    def _alone(self, tolerance: float, options: dict[str, Any]) -> None:
        self._run(_engine(self.folder, options), (40,), tolerance)

    def _chunks(self, tolerance: float, options: dict[str, Any]) -> None:
        self._run(_engine(self.folder, {**options, "max_num_batched_tokens": 16}), LENGTHS, tolerance)

    def _prefix(self, tolerance: float, options: dict[str, Any]) -> None:
        engine = _engine(self.folder, options)
        [shared] = prompts(engine, (80,))
        engine.generate([shared], GREEDY)
        tails = prompts(engine, (3, 20), seed=1)
        given = [shared + tails[0], shared + tails[1], shared[:50]]
        before = engine.cache.hit_tokens
        engine.logits.clear()
        outputs = engine.generate(given, GREEDY)
        hits, least = engine.cache.hit_tokens - before, 80 + 80 + 48 - 3 * 16
        if engine.cache.prefix_caching:
            _need(hits >= least, f"the prefix cache gave {hits} tokens of at least {least}")
        else:  # recurrent state: nothing can be reused, and the answers are the same
            _need(hits == 0, f"the prefix cache is off and gave {hits} tokens")
        compare(engine, self.folder, given, outputs, first=2, tolerance=tolerance)

    def _preemption(self, tolerance: float, options: dict[str, Any]) -> None:
        """Run with a pool of hardly more than one full sequence, and short chunks so that windows need few pages."""
        sizes = {**options, "max_model_len": LONGEST, "max_num_batched_tokens": 32}
        need = _engine(self.folder, sizes).built.layout.max_pages(LONGEST, 32)
        engine = _engine(self.folder, {**sizes, "num_gpu_blocks_override": need * 11 // 10})
        self._run(engine, LENGTHS, tolerance)
        _need(engine.scheduler.preemptions > 0, "nothing was preempted")

    def _run(self, engine: InProcessEngine, lengths: Sequence[int], tolerance: float) -> None:
        given = prompts(engine, lengths)
        compare(engine, self.folder, given, engine.generate(given, GREEDY), tolerance=tolerance)


def prompts(engine: InProcessEngine, lengths: Sequence[int], seed: int = 0) -> list[list[int]]:
    """Random ids that are no special tokens of the usual low numbers."""
    generator = torch.Generator().manual_seed(seed)
    size = engine.info.vocab_size
    return [torch.randint(min(5, size - 1), size, (n,), generator=generator).tolist() for n in lengths]


def compare(
    engine: InProcessEngine,
    folder: Path,
    given: list[list[int]],
    outputs: list[list[int]],
    *,
    tolerance: float,
    first: int = 1,
) -> None:
    """Assert that the tokens and the logits that gave them are transformers' own. ``first`` is the first sequence's
    number.

    Raises:
        AssertionError: naming the prompt and the first token that differs.
    """
    model = oracle(folder)
    for number, (prompt, output) in enumerate(zip(given, outputs, strict=True), start=first):
        name = f"prompt {number} of {len(prompt)} tokens ({folder.name})"
        length = min(TOKENS, engine.max_model_len - len(prompt))
        _need(len(output) == length, f"{name}: {len(output)} tokens came, {length} were asked for")
        got = torch.stack(engine.logits[number])
        _need(len(got) == length, f"{name}: {len(got)} rows of logits for {length} tokens: preemption repeated some")
        with torch.no_grad():
            want = model(torch.tensor([prompt + output])).logits[0, len(prompt) - 1 : -1].float()
        _need(got.shape == want.shape, f"{name}: logits are {tuple(got.shape)}, transformers' {tuple(want.shape)}")
        off = (got - want).abs().amax(dim=-1)
        bad = (~(off < tolerance)).nonzero()  # NaN is bad too
        _need(not len(bad), f"{name}: logits differ by {off.max():.2e}, first at output token {bad[:1].tolist()}")
        best = want.argmax(dim=-1).tolist()
        wrong = [i for i, (a, b) in enumerate(zip(output, best, strict=True)) if a != b]
        _need(not wrong, f"{name}: other tokens at {wrong[:5]}; equal logits, so they were sampled wrongly or tie")


@lru_cache(maxsize=64)  # they are tiny
def oracle(folder: Path) -> Any:
    """Load transformers' model of a checkpoint, in float32."""
    from transformers import AutoModelForCausalLM

    auto: Any = AutoModelForCausalLM
    return auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def _engine(folder: Path, options: dict[str, Any]) -> InProcessEngine:
    engine = InProcessEngine(folder, **options)
    engine.record_logits = True
    if engine.max_model_len < LONGEST:
        raise ValueError(f"{folder}: parity needs {LONGEST} positions, this model has {engine.max_model_len}")
    return engine


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
