"""The priority policy: the lowest number first, among equals the first to come."""

from __future__ import annotations

from pathlib import Path

from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.policies import Priority
from frameworkctl.testing import InProcessEngine

PARAMS = SamplingParams(max_tokens=4, temperature=0.0, ignore_eos=True)


def test_order_of_admission(checkpoints: dict[str, Path]) -> None:
    engine = InProcessEngine(checkpoints["llama"], policy=Priority(), max_num_seqs=1)
    seqs = [engine.add([7, 8, 9], PARAMS, priority=p) for p in (3, 1, -2, 1)]
    engine.run()
    ended = sorted(range(4), key=lambda i: list(engine.events).index(seqs[i].id))
    assert ended == [2, 1, 3, 0]


def test_victims_are_the_least_urgent(checkpoints: dict[str, Path]) -> None:
    """Two that do not fit together: the pages go to the lower number, though it came last."""
    long = SamplingParams(max_tokens=60, temperature=0.0, ignore_eos=True)
    engine = InProcessEngine(
        checkpoints["llama"],
        policy=Priority(),
        max_num_batched_tokens=32,
        max_model_len=128,
        num_gpu_blocks_override=10,
    )
    seqs = [engine.add([n, *range(10, 50)], long, priority=p) for n, p in ((5, 1), (6, 0))]
    engine.run()
    assert engine.scheduler.preemptions > 0
    assert [s.epoch > 0 for s in seqs] == [True, False]
