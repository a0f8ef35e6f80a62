"""Models whose weights are rounded on load, and models whose logits do not depend on the batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from frameworkctl.errors import ConfigError
from frameworkctl.params import SamplingParams
from frameworkctl.testing import InProcessEngine
from support.checkpoints.tiny import make_checkpoint
from support.engine.cpu_backend import need_compiled
from support.engine.first_logits import first_logits, random_prompts

GREEDY = SamplingParams(max_tokens=6, temperature=0.0)


@pytest.fixture(scope="module", params=["llama", "gemma2"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(autouse=True)
def _compiled() -> None:
    need_compiled()


@pytest.mark.parametrize(("fmt", "least"), [("int8", 0.999), ("int4", 0.8)])
def test_rounded_weights(folder: Path, fmt: str, least: float) -> None:
    """Both backends compute with the same rounded weights, which are near the given ones and not the same."""
    plain = first_logits(folder)
    rounded, reference = (first_logits(folder, quantization=fmt, backend=name) for name in ("cpu", "reference"))
    assert (rounded - reference).abs().max() < 1e-2 * reference.abs().max()
    likeness = torch.nn.functional.cosine_similarity(rounded, plain)
    assert (likeness > least).all()
    assert not torch.allclose(rounded, plain, rtol=1e-4)


@pytest.mark.parametrize(
    ("dtype", "fmt"), [("float32", None), ("bfloat16", None), ("float32", "int8"), ("bfloat16", "int4")], ids=str
)
def test_deterministic(folder: Path, dtype: str, fmt: str | None) -> None:
    """Alone, in a batch of 32, and with the prompt in chunks: the same logits to the last bit."""
    options = {"dtype": dtype, "deterministic": True, "quantization": fmt, "max_num_seqs": 32}
    engine = InProcessEngine(folder, prefix_caching=False, **options)
    engine.record_logits = True
    given = random_prompts(32, engine.info.vocab_size, 60)
    together = engine.generate(given, GREEDY)
    chunked = InProcessEngine(folder, prefix_caching=False, max_num_batched_tokens=48, **options)
    chunked.record_logits = True
    assert chunked.generate(given, GREEDY) == together
    alone = InProcessEngine(folder, prefix_caching=False, **options)
    alone.record_logits = True
    for number in (1, 2, 17, 32):
        assert alone.generate([given[number - 1]], GREEDY) == [together[number - 1]]
    for index, number in enumerate((1, 2, 17, 32), start=1):
        for other in (chunked.logits[number], alone.logits[index]):
            assert all(torch.equal(a, b) for a, b in zip(engine.logits[number], other, strict=True))


def test_deterministic_needs_a_backend_that_can(folder: Path) -> None:
    with pytest.raises(ConfigError, match="--deterministic: the backend reference cannot"):
        InProcessEngine(folder, deterministic=True, backend="reference")
