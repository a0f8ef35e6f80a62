"""LLM's pooling methods in a Python program: the numbers of transformers, many texts in order, and clear refusals."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from frameworkctl import LLM, PoolingParams, SamplingParams
from support.checkpoints.pooling_checkpoints import embeddings, make_classifier, make_embedder, run

pytestmark = pytest.mark.e2e
TEXTS = ["the quick brown fox", "a lazy dog jumps over the fox", "dog", "over the lazy, lazy dog? a fox!"]
NEAR: dict[str, Any] = {"abs": 2e-5}
OPTIONS: dict[str, Any] = {"dtype": "float32", "backend": "reference", "max_num_seqs": 8}
RAW = PoolingParams(use_activation=False)


class Zoo:
    """Checkpoints, transformers' models of them, and ours."""

    def __init__(self, root: Path) -> None:
        self.folders = {name: root / name for name in ("embedder", "reranker", "classifier")}
        self.theirs = {
            "embedder": make_embedder(self.folders["embedder"]),
            "reranker": make_classifier(self.folders["reranker"], 1),
            "classifier": make_classifier(self.folders["classifier"], 3),
        }
        self.ours = {name: LLM(folder, **OPTIONS) for name, folder in self.folders.items()}

    def embeddings(self, texts: list[str], size: int | None = None) -> list[list[float]]:
        return embeddings(self.theirs["embedder"], self.folders["embedder"], texts, size)

    def outputs(self, name: str, texts: list[str], pairs: list[str] | None = None) -> list[Any]:
        return run(self.theirs[name], self.folders[name], texts, pairs)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    made = Zoo(tmp_path_factory.mktemp("llm_pooling"))
    yield made
    for llm in made.ours.values():
        llm.close()


def test_embeddings_of_texts_and_ids_each_with_its_own(zoo: Zoo) -> None:
    llm = zoo.ours["embedder"]
    first, *_, last = llm.embed(TEXTS, use_tqdm=False)
    assert first.prompt_token_ids == zoo_ids(zoo, TEXTS[0])
    assert last.outputs.hidden_size == 48
    given = [TEXTS[0], first.prompt_token_ids, {"prompt_token_ids": last.prompt_token_ids}, {"prompt": TEXTS[1]}]
    params = [PoolingParams(dimensions=16), PoolingParams(), PoolingParams(dimensions=32), RAW]
    got = llm.embed(given, pooling_params=params, use_tqdm=False)
    want = [zoo.embeddings([TEXTS[0]], 16)[0], zoo.embeddings([TEXTS[0]])[0], zoo.embeddings([TEXTS[3]], 32)[0]]
    assert [o.outputs.embedding for o in got[:3]] == [pytest.approx(v, **NEAR) for v in want]
    mean = zoo.outputs("embedder", [TEXTS[1]])[0].last_hidden_state[0].mean(0).tolist()
    assert got[3].outputs.embedding == pytest.approx(mean, abs=1e-4)
    (kept,) = llm.embed("the quick " * 300, pooling_params=PoolingParams(truncate_prompt_tokens=6), use_tqdm=False)
    assert kept.prompt_token_ids == zoo_ids(zoo, "the quick the quick")
    assert llm.embed([]) == []


def zoo_ids(zoo: Zoo, text: str) -> list[int]:
    from tokenizers import Tokenizer

    ids: list[int] = Tokenizer.from_file(str(zoo.folders["embedder"] / "tokenizer.json")).encode(text).ids
    return ids


def test_more_texts_than_a_request_holds(zoo: Zoo, capfd: pytest.CaptureFixture[str]) -> None:
    """In their order, of both kinds, with a bar."""
    unlike = [" ".join(random.Random(i).choices(["fox", "dog", "lazy", "over"], k=1 + i % 5)) for i in range(40)]
    want = dict(zip(unlike, zoo.embeddings(unlike), strict=True))
    texts = [unlike[i % 40] for i in range(600)]
    given = [zoo_ids(zoo, text) if i in range(300, 310) else text for i, text in enumerate(texts)]
    got = zoo.ours["embedder"].embed(given)
    assert all(o.outputs.embedding == pytest.approx(want[t], **NEAR) for o, t in zip(got, texts, strict=True))
    assert len({o.request_id for o in got}) == 600
    assert "Processed prompts: 100%" in capfd.readouterr().err


def test_classes(zoo: Zoo) -> None:
    logits = [o.logits[0] for o in zoo.outputs("classifier", TEXTS)]
    got = zoo.ours["classifier"].classify(TEXTS, use_tqdm=False)
    assert [o.outputs.probs for o in got] == [pytest.approx(x.softmax(0).tolist(), **NEAR) for x in logits]
    assert {o.outputs.num_classes for o in got} == {3}
    raw = zoo.ours["classifier"].classify(TEXTS, pooling_params=RAW, use_tqdm=False)
    assert [o.outputs.probs for o in raw] == [pytest.approx(x.tolist(), abs=1e-4) for x in logits]


def test_scores_by_a_cross_encoder_and_by_embeddings(zoo: Zoo) -> None:
    reranker, embedder = zoo.ours["reranker"], zoo.ours["embedder"]
    many = TEXTS * 80  # more than a request holds
    logits = zoo.outputs("reranker", ["a fox"] * 4, TEXTS)
    got = reranker.score("a fox", many, use_tqdm=False)
    assert [o.outputs.score for o in got] == pytest.approx([o.logits.sigmoid().item() for o in logits] * 80, **NEAR)
    raw = reranker.score(["a fox"] * 4, TEXTS, pooling_params=RAW, use_tqdm=False)
    assert [o.outputs.score for o in raw] == pytest.approx([o.logits.item() for o in logits], abs=1e-4)
    queries = zoo.embeddings(["find " + text for text in TEXTS])
    documents = zoo.embeddings(["text " + text for text in TEXTS])
    pairs = embedder.score(TEXTS * 80, many[::-1], use_tqdm=False)
    want = [sum(a * b for a, b in zip(q, d, strict=True)) for q, d in zip(queries, documents[::-1], strict=True)]
    assert [o.outputs.score for o in pairs] == pytest.approx(want * 80, **NEAR)
    ids = [zoo_ids(zoo, "find " + q) + zoo_ids(zoo, "text " + d) for q, d in zip(TEXTS, TEXTS[::-1], strict=True)]
    assert [o.prompt_token_ids for o in pairs[:4]] == ids


def test_what_a_task_gives(zoo: Zoo) -> None:
    llm = zoo.ours["embedder"]
    states = [o.last_hidden_state[0].numpy() for o in zoo.outputs("embedder", TEXTS)]
    rows = llm.encode(TEXTS, RAW, pooling_task="token_embed", use_tqdm=False)
    assert [o.outputs.data.shape for o in rows] == [s.shape for s in states]
    assert all(abs(o.outputs.data - s).max() < 1e-4 for o, s in zip(rows, states, strict=True))
    own = llm.encode(TEXTS, use_tqdm=False)
    assert [o.outputs.data.tolist() for o in own] == [pytest.approx(v, **NEAR) for v in zoo.embeddings(TEXTS)]


@pytest.mark.parametrize(
    ("model", "work", "words"),
    [
        ("classifier", lambda llm: llm.embed("a"), "does not embed; it can classify"),
        ("embedder", lambda llm: llm.classify("a"), "does not classify; it can embed"),
        ("classifier", lambda llm: llm.score("a", "b"), "does not score"),
        ("reranker", lambda llm: llm.encode("a", pooling_task="token_embed"), "it can classify"),
        ("embedder", lambda llm: llm.generate("a", SamplingParams()), "does not generate; it can embed"),
        ("embedder", lambda llm: llm.embed(["a", "dog " * 200]), r"input\[1\]"),
        ("embedder", lambda llm: llm.embed("a", pooling_params=PoolingParams(dimensions=17)), "16, 32, 48"),
        ("classifier", lambda llm: llm.classify("a", pooling_params=PoolingParams(dimensions=2)), "not for classes"),
        ("embedder", lambda llm: llm.embed(TEXTS, pooling_params=[RAW]), "1 entries for 4"),
        ("embedder", lambda llm: llm.embed([{"text": "a"}]), "'text'"),
        ("reranker", lambda llm: llm.score(TEXTS[:2], TEXTS[:3]), "2 to 3"),
        ("reranker", lambda llm: llm.score("a", []), "must not be empty"),
        ("reranker", lambda llm: PoolingParams(dimensions="many"), "dimensions"),  # type: ignore[arg-type]
    ],
)
def test_mistakes_are_value_errors(zoo: Zoo, model: str, work: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        work(zoo.ours[model])


def test_an_error_in_a_later_request_says_which_prompts_it_had(zoo: Zoo) -> None:
    with pytest.raises(ValueError, match=r"input\[34\]") as e:
        zoo.ours["embedder"].embed([*["a"] * 290, "dog " * 200], use_tqdm=False)
    assert e.value.__notes__ == ["in prompts[256:291] of 291"]


def test_a_decoder_converted_with_a_pooler_config(checkpoints: dict[str, Path]) -> None:
    """The mean of all states and no normalising, as asked for; a text longer than the context, in pieces."""
    import torch
    import transformers

    config = {"pooling_type": "MEAN", "use_activation": False, "enable_chunked_processing": True, "max_embed_len": 200}
    theirs = transformers.AutoModel.from_pretrained(checkpoints["llama"], dtype=torch.float32)
    options: dict[str, Any] = {"dtype": "float32", "max_model_len": 64, "runner": "pooling", "convert": "embed"}
    with LLM(checkpoints["llama"], **options, pooler_config=config) as llm:
        got = llm.embed([list(range(5, 25)), list(range(5, 105)), [7, 8]], use_tqdm=False)
        with pytest.raises(ValueError, match="it can embed"):
            llm.generate("the", SamplingParams(), use_tqdm=False)
    assert [len(o.prompt_token_ids) for o in got] == [20, 100, 2]
    with torch.no_grad():
        pieces = [theirs(torch.tensor([ids])).last_hidden_state[0] for ids in (range(5, 69), range(69, 105))]
        whole = theirs(torch.tensor([list(range(5, 25))])).last_hidden_state[0]
    assert got[0].outputs.embedding == pytest.approx(whole.mean(0).tolist(), abs=1e-4)
    assert got[1].outputs.embedding == pytest.approx(torch.cat(pieces).mean(0).tolist(), abs=1e-4)
