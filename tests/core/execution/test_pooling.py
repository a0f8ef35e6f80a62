"""Pooled texts through an engine, held to transformers' states: in batches, chunks, from the cache, preempted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from frameworkctl.errors import ConfigError
from frameworkctl.execution.pooling import heads
from frameworkctl.interfaces import PoolParams
from frameworkctl.testing import InProcessEngine
from safetensors.torch import save_file
from support.checkpoints.encoders import make_encoder
from support.checkpoints.tiny import VOCAB, make_checkpoint
from torch import Tensor

EMBED = PoolParams("embed", activate=False)
LENGTHS = (60, 1, 37, 2, 18)
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "engine" / "pooler.py"


def prompts(*lengths: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randint(5, VOCAB, (n,), generator=generator).tolist() for n in lengths or LENGTHS]


@torch.no_grad()
def states(model: Any, ids: list[int]) -> Tensor:
    """transformers' hidden states after the last norm, ``[tokens, hidden]``."""
    found: Tensor = model.base_model(torch.tensor([ids])).last_hidden_state[0]
    return found


def model_of(folder: Path) -> Any:
    import transformers

    return transformers.AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")


def close(got: Tensor, want: Tensor) -> None:
    assert got.shape == want.shape
    assert (got - want).abs().max() < 1e-4


def wanted(hidden: Tensor, pooler: str) -> Tensor:
    return {"last": hidden[-1], "cls": hidden[0], "mean": hidden.mean(dim=0), "max": hidden.amax(dim=0)}[pooler]


@pytest.mark.parametrize("pooler", ["last", "cls", "mean", "max"])
def test_decoders_in_chunks(checkpoints: dict[str, Path], pooler: str) -> None:
    """Steps of 16 tokens, among texts that want their tokens' states; ``max`` is a stranger's: the page's example."""
    engine = InProcessEngine(
        checkpoints["llama"],
        convert="embed",
        pooler_config={"pooling_type": pooler},
        max_num_batched_tokens=16,
        plugins=[str(EXAMPLE)] if pooler == "max" else [],
    )
    model = model_of(checkpoints["llama"])
    texts = prompts()
    params = [EMBED if i % 2 == 0 else PoolParams("token_embed", activate=False) for i in range(len(texts))]
    for _ in range(2):  # the second time, the cache knows them all
        found = engine.pool(texts, params)
        for text, own, got in zip(texts, params, found, strict=True):
            hidden = states(model, text)
            close(got, wanted(hidden, pooler) if own is EMBED else hidden)
    hits = engine.cache.hit_tokens
    assert (hits > 0) == (pooler == "last")  # others look at every token


@pytest.mark.parametrize("overlap", [False, True])
def test_preempted_texts_begin_anew(checkpoints: dict[str, Path], overlap: bool) -> None:
    """Ten pages of 8 tokens for five texts of 40: they push each other out, and nothing is lost or mixed."""
    engine = InProcessEngine(
        checkpoints["llama"],
        convert="embed",
        pooler_config={"pooling_type": "MEAN"},
        max_num_batched_tokens=24,
        max_model_len=64,
        block_size=8,
        num_gpu_blocks_override=10,
        overlap=overlap,
    )
    texts = prompts(40, 40, 40, 40, 40)
    model = model_of(checkpoints["llama"])
    for text, got in zip(texts, engine.pool(texts, EMBED), strict=True):
        close(got, states(model, text).mean(dim=0))


def test_normalised_and_cut(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Requests of all kinds in one step; sizes are cut before vectors get length one."""
    engine = InProcessEngine(checkpoints["llama"], runner="pooling")
    texts = prompts(20, 20, 20, 20)
    kinds = [PoolParams("embed", a, d) for a in (True, False) for d in (None, 16)]
    model = model_of(checkpoints["llama"])
    for text, own, got in zip(texts, kinds, engine.pool(texts, kinds), strict=True):
        want = states(model, text)[-1][: own.dimensions]
        close(got, torch.nn.functional.normalize(want, dim=-1) if own.activate else want)


def test_encoders_whole(tmp_path: Path) -> None:
    """More texts than a step takes, pairs among them."""
    theirs = make_encoder("Bert", "ForSequenceClassification", tmp_path)
    engine = InProcessEngine(tmp_path, max_num_batched_tokens=40, max_model_len=40, max_num_seqs=3)
    texts = [[i % 295 + 5 for i in text] for text in prompts(40, 3, 17, 1, 22, 30, 39)]
    params = [PoolParams("classify", i % 2 == 0, second=i if i < len(t) else 0) for i, t in enumerate(texts)]
    found = engine.pool(texts, params)
    assert engine.steps >= 4
    for text, own, got in zip(texts, params, found, strict=True):
        kinds = torch.tensor([[int(own.second > 0 and at >= own.second) for at in range(len(text))]])
        with torch.no_grad():
            logits = theirs(torch.tensor([text]), token_type_ids=kinds).logits[0]
        close(got, logits.softmax(dim=-1) if own.activate else logits)


def test_steps_of_reasoning(checkpoints: dict[str, Path]) -> None:
    """Rows of the tags only, over chunks; a text without one has none."""
    config = {"pooling_type": "STEP", "step_tag_id": 7}
    engine = InProcessEngine(checkpoints["llama"], convert="embed", pooler_config=config, max_num_batched_tokens=16)
    texts = [[9, 7, 11, 12, 7] * 9, [9, 11, 12]]
    got = engine.pool(texts, PoolParams("token_embed", activate=False))
    close(got[0], states(model_of(checkpoints["llama"]), texts[0])[torch.tensor(texts[0]) == 7])
    assert got[1].shape == (0, 64)


def test_dense_layers(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """As sentence-transformers stores them: after pooling, in order, with their activation."""
    make_checkpoint("llama", tmp_path)
    generator = torch.Generator().manual_seed(3)
    weights = [torch.randn(48, 64, generator=generator), torch.randn(8, 48, generator=generator)]
    bias = torch.randn(48, generator=generator)
    types = ("Pooling", "Dense", "Dense")
    modules = [{"path": f"{i}_{t}", "type": f"sentence_transformers.models.{t}"} for i, t in enumerate(types)]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    for i, (tensors, activation) in enumerate(
        (
            ({"linear.weight": weights[0], "linear.bias": bias}, "torch.nn.modules.activation.Tanh"),
            ({"weight": weights[1]}, "torch.nn.modules.linear.Identity"),
        ),
        1,
    ):
        folder = tmp_path / f"{i}_Dense"
        folder.mkdir()
        save_file(tensors, folder / "model.safetensors")
        config = {"out_features": len(tensors[next(iter(tensors))]), "activation_function": activation}
        (folder / "config.json").write_text(json.dumps(config))
    engine = InProcessEngine(tmp_path)
    assert engine.pooling is not None
    assert engine.pooling.size == 8
    text = prompts(12)[0]
    hidden = states(model_of(checkpoints["llama"]), text)[-1]
    close(engine.pool([text], EMBED)[0], torch.tanh(hidden @ weights[0].T + bias) @ weights[1].T)
    (tmp_path / "1_Dense" / "config.json").write_text('{"out_features": 48, "activation_function": "os.system"}')
    with pytest.raises(ConfigError, match=r"'os.system' is not one of torch\.nn\.modules"):
        heads.Dense(tmp_path / "1_Dense", torch.device("cpu"))


FRAGILE = """
from frameworkctl.interfaces import PoolerSpec, hookimpl

class Fragile:
    '''The last state, but texts with token 300 make it raise.'''
    def __init__(self, info):
        self.known = set()

    def update(self, rows):
        if (rows.token_ids == 300).any():
            raise ArithmeticError("300 is too much")
        return [rows.hidden[end - 1] for end, last in zip(rows.start[1:], rows.last) if last]

    def forget(self, id):
        pass

@hookimpl
def register_poolers(register):
    tasks = frozenset({"embed"})
    register(PoolerSpec(name="Fragile", implementation=f"{__name__}:Fragile", tasks=tasks))
"""


def test_a_pooler_that_raises_ends_only_its_text(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    plugin = tmp_path / "fragile.py"
    plugin.write_text(FRAGILE)
    engine = InProcessEngine(
        checkpoints["llama"], runner="pooling", pooler_config={"pooling_type": "Fragile"}, plugins=[str(plugin)]
    )
    texts = prompts(9, 8, 7)
    texts[1][3] = 300
    seqs = [engine.add_pooled([t if t != 300 or i == 1 else 5 for t in text], EMBED) for i, text in enumerate(texts)]
    engine.run()
    engine.check_idle()
    ends = [engine.events[s.id][-1] for s in seqs]
    assert [e.reason for e in ends] == ["stop", "error", "stop"]
    assert ends[1].error == "the pooler failed: ArithmeticError: 300 is too much"
    alone = engine.pool([list(seqs[2].tokens)], EMBED)[0]
    assert ends[2].vectors.data == alone.numpy().tobytes()


def test_a_pooler_that_nobody_has(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="there is no pooler 'none'"):
        InProcessEngine(checkpoints["llama"], convert="embed", pooler_config={"pooling_type": "none"})
