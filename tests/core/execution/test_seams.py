"""What must hold so that a step can be captured: no waits, fixed addresses, a fixed number of operations."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from frameworkctl.params import SamplingParams
from frameworkctl.testing import InProcessEngine
from support.checkpoints.tiny import FAMILIES, VOCAB
from support.serving.watch import Watch, watched

GREEDY = SamplingParams(max_tokens=60, temperature=0.0, ignore_eos=True)


def random_prompts(count: int, length: int) -> list[list[int]]:
    torch.manual_seed(count)
    return [torch.randint(5, VOCAB, (length,)).tolist() for _ in range(count)]


@pytest.fixture(params=sorted(FAMILIES))
def folder(request: pytest.FixtureRequest, checkpoints: dict[str, Path]) -> Path:
    return checkpoints[request.param]


def test_forward_never_waits_for_values(folder: Path) -> None:
    """Prefills, chunks, decodes and mixtures of them, with a dispatch mode that raises on scalar reads."""
    engine = InProcessEngine(folder, max_num_batched_tokens=48)
    seen = watched(engine)
    engine.generate([*random_prompts(3, 70), *random_prompts(2, 5)], GREEDY)
    kinds = {(batch.shape.decode_only, batch.shape.max_query > 1) for batch, _ in seen}
    assert kinds == {(True, False), (False, True)}


def test_the_watch_notices_a_wait() -> None:
    with pytest.raises(AssertionError, match="waits"), Watch():
        torch.ones(1).item()


def test_buffers_keep_their_addresses(folder: Path) -> None:
    engine = InProcessEngine(folder)
    seen = watched(engine)
    engine.generate(random_prompts(4, 20), GREEDY)
    addresses = []
    for batch, _ in seen[1:]:
        tensors = [batch.input_ids, batch.positions, batch.query_start, batch.logits_index]
        for view in batch.groups:
            tensors += [view.seq_lens, view.block_table, view.slot_mapping]
        addresses.append([t.data_ptr() for t in tensors])
    assert len(addresses) >= 50
    assert all(a == addresses[0] for a in addresses)


def calls_per_decode(folder: Path, sequences: int) -> Counter[str]:
    engine = InProcessEngine(folder, max_num_seqs=16)
    seen = watched(engine)
    engine.generate(random_prompts(sequences, 20), SamplingParams(max_tokens=4, temperature=0.0, ignore_eos=True))
    assert seen[-1][0].shape.seqs == sequences
    return seen[-1][1]


def test_operations_do_not_grow_with_sequences(folder: Path) -> None:
    assert calls_per_decode(folder, 2) == calls_per_decode(folder, 16)


def calls_per_mixed_step(folder: Path, sequences: int) -> Counter[str]:
    """Decodes beside one prefill."""
    engine = InProcessEngine(folder, max_num_seqs=17)
    seen = watched(engine)
    for prompt in random_prompts(sequences, 20):
        engine.add(prompt, GREEDY)
    engine.step()
    engine.add(random_prompts(1, 40)[0], GREEDY)
    engine.step()
    shape = seen[-1][0].shape
    assert (shape.seqs, shape.max_query) == (sequences + 1, 40)
    return seen[-1][1]


def test_operations_do_not_grow_with_sequences_beside_a_prefill(folder: Path) -> None:
    assert calls_per_mixed_step(folder, 2) == calls_per_mixed_step(folder, 16)


def test_rows_stay_dense_and_right_when_sequences_leave(folder: Path) -> None:
    """Sequences of different lengths end one by one; those that move to another row go on as if alone."""
    engine = InProcessEngine(folder)
    prompts = random_prompts(6, 12)
    params = [SamplingParams(max_tokens=n, temperature=0.0, ignore_eos=True) for n in (3, 40, 9, 21, 1, 30)]
    together = engine.generate(prompts, params)
    assert engine.runner.batch.size <= 1  # the last plan's drops are told with the next
    for prompt, param, output in zip(prompts, params, together, strict=True):
        assert InProcessEngine(folder).generate([prompt], param) == [output]
