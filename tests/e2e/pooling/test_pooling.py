"""Pooling over HTTP on tiny encoders, beside a chat model: OpenAI's and Cohere's clients, transformers' numbers."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cohere
import httpx
import pytest
from support.checkpoints.pooling_checkpoints import embeddings, make_classifier, make_embedder, run
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e
TEXTS = ["the quick brown fox", "a lazy dog jumps over the fox", "dog", "over the lazy, lazy dog? a fox!"]
PAGE = Path(__file__).parents[3] / "docs" / "pooling.md"
NEAR = {"abs": 2e-5}


class Zoo:
    """Checkpoints, transformers' models of them, and a server."""

    def __init__(self, root: Path, chat: Path) -> None:
        self.folders = {name: root / name for name in ("embedder", "reranker", "classifier")}
        self.embedder = make_embedder(self.folders["embedder"])
        self.reranker = make_classifier(self.folders["reranker"], 1)
        self.classifier = make_classifier(self.folders["classifier"], 3)
        args = [x for name, folder in self.folders.items() for x in ("--model", f"{name}={folder}")]
        args += ["--model", f"chat={chat}", "--dtype", "float32", "--backend", "reference"]
        self.server: RunningServer = start_server([*args, "--max-num-seqs", "8"])

    def post(self, path: str, **body: Any) -> httpx.Response:
        return httpx.post(f"{self.server.url}{path}", json=body, timeout=60)

    def answer(self, path: str, **body: Any) -> Any:
        response = self.post(path, **body)
        assert response.status_code == 200, response.text
        return response.json()

    def embeddings(self, texts: list[str], size: int | None = None) -> list[list[float]]:
        return embeddings(self.embedder, self.folders["embedder"], texts, size)

    def relevances(self, query: str, documents: list[str]) -> list[float]:
        found = run(self.reranker, self.folders["reranker"], [query] * len(documents), documents)
        return [o.logits.sigmoid().item() for o in found]


@pytest.fixture(scope="module")
def zoo(checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    made = Zoo(tmp_path_factory.mktemp("pooling"), checkpoints["llama"])
    yield made
    made.server.stop()


@pytest.mark.parametrize("format_", ["float", "base64"])
def test_openai_client_gets_the_embeddings_of_transformers(zoo: Zoo, format_: Any) -> None:
    client = zoo.server.openai()
    got = client.embeddings.create(model="embedder", input=TEXTS, encoding_format=format_)
    vectors = [entry.embedding for entry in got.data]
    if format_ == "base64":  # asked for by name, the client leaves it encoded
        vectors = [list(struct.unpack("<48f", base64.b64decode(v))) for v in vectors]
    assert vectors == [pytest.approx(v, **NEAR) for v in zoo.embeddings(TEXTS)]
    assert got.usage.prompt_tokens == got.usage.total_tokens > len(TEXTS)


def test_openai_client_by_default_and_cut_to_a_size(zoo: Zoo) -> None:
    """By default it asks for base64 and decodes it."""
    got = zoo.server.openai().embeddings.create(model="embedder", input=TEXTS[0], dimensions=16)
    assert list(got.data[0].embedding) == pytest.approx(zoo.embeddings(TEXTS[:1], 16)[0], **NEAR)


def test_a_thousand_texts_come_in_their_order(zoo: Zoo) -> None:
    texts = [TEXTS[i % 4] + " dog" * (i % 7) for i in range(1000)]
    got = zoo.answer("/v1/embeddings", model="embedder", input=texts)
    want = dict(zip(unique := list(dict.fromkeys(texts)), zoo.embeddings(unique), strict=True))
    assert [entry["index"] for entry in got["data"]] == list(range(1000))
    vectors = [entry["embedding"] for entry in got["data"]]
    assert all(v == pytest.approx(want[t], **NEAR) for v, t in zip(vectors, texts, strict=True))


def test_cohere_client_embeds(zoo: Zoo) -> None:
    """Documents get the model's prompt for documents."""
    client = cohere.ClientV2(api_key="none", base_url=zoo.server.url)
    got = client.embed(
        model="embedder", texts=TEXTS, input_type="search_document", embedding_types=["float", "ubinary", "base64"]
    )
    want = zoo.embeddings(["text " + text for text in TEXTS])
    assert got.embeddings.float_ == [pytest.approx(v, **NEAR) for v in want]
    assert [
        list(struct.unpack("<48f", base64.b64decode(v))) for v in got.embeddings.base64 or []
    ] == got.embeddings.float_
    signs = [[int(x >= 0) for x in v] for v in got.embeddings.float_ or []]
    packed = [[int("".join(map(str, row[i : i + 8])), 2) for i in range(0, 48, 8)] for row in signs]
    assert got.embeddings.ubinary == packed
    assert got.meta is not None
    assert got.meta.billed_units is not None
    refused = zoo.post("/v2/embed", model="embedder", texts=["a fox"], max_tokens=1)  # both special tokens stay
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "max_tokens")


def test_cohere_client_reranks(zoo: Zoo) -> None:
    client = cohere.ClientV2(api_key="none", base_url=zoo.server.url)
    got = client.rerank(model="reranker", query="find a fox", documents=TEXTS, top_n=3)
    want = sorted(enumerate(zoo.relevances("find a fox", TEXTS)), key=lambda pair: -pair[1])[:3]
    assert [r.index for r in got.results] == [i for i, _ in want]
    assert [r.relevance_score for r in got.results] == pytest.approx([score for _, score in want], **NEAR)


def test_scores_of_a_cross_encoder_and_of_an_embedder(zoo: Zoo) -> None:
    got = zoo.answer("/score", model="reranker", queries="find a fox", documents=TEXTS)
    scores = [entry["score"] for entry in got["data"]]
    assert scores == pytest.approx(zoo.relevances("find a fox", TEXTS), **NEAR)
    raw = zoo.answer("/score", model="reranker", queries="find a fox", documents=TEXTS, use_activation=False)
    logits = [o.logits.item() for o in run(zoo.reranker, zoo.folders["reranker"], ["find a fox"] * 4, TEXTS)]
    assert [entry["score"] for entry in raw["data"]] == pytest.approx(logits, abs=1e-4)
    got = zoo.answer("/v1/score", model="embedder", text_1="a fox", text_2=TEXTS)
    (query,), documents = zoo.embeddings(["find a fox"]), zoo.embeddings(["text " + text for text in TEXTS])
    cosines = [sum(a * b for a, b in zip(query, d, strict=True)) for d in documents]
    assert [entry["score"] for entry in got["data"]] == pytest.approx(cosines, **NEAR)


def test_either_text_of_a_score_can_be_cut(zoo: Zoo) -> None:
    body = {"queries": "find a fox", "documents": TEXTS[:2], "max_tokens_per_query": 2, "max_tokens_per_doc": 3}
    got = zoo.answer("/score", model="reranker", **body)
    want = zoo.relevances("find a", ["the quick brown", "a lazy dog"])
    assert [entry["score"] for entry in got["data"]] == pytest.approx(want, **NEAR)


def test_labels_of_a_classifier(zoo: Zoo) -> None:
    got = zoo.answer("/classify", model="classifier", input=TEXTS)
    want = [o.logits[0].softmax(0) for o in run(zoo.classifier, zoo.folders["classifier"], TEXTS)]
    assert [entry["probs"] for entry in got["data"]] == [pytest.approx(w.tolist(), **NEAR) for w in want]
    assert [entry["label"] for entry in got["data"]] == [f"LABEL_{int(w.argmax())}" for w in want]


def test_a_vector_for_each_token(zoo: Zoo) -> None:
    got = zoo.answer("/pooling", model="embedder", input=TEXTS[0], task="token_embed", use_activation=False)
    want = run(zoo.embedder, zoo.folders["embedder"], TEXTS[:1])[0].last_hidden_state[0].tolist()
    assert got["data"][0]["data"] == [pytest.approx(row, abs=1e-4) for row in want]


@pytest.mark.parametrize("model", ["embedder", "classifier"])
def test_bytes_describe_themselves(zoo: Zoo, model: str) -> None:
    response = zoo.post("/pooling", model=model, input=TEXTS, encoding_format="bytes", endianness="big")
    metadata = json.loads(response.headers["metadata"])
    plain = zoo.answer("/pooling", model=model, input=TEXTS)
    for entry, other in zip(metadata["data"], plain["data"], strict=True):
        data = response.content[entry["start"] : entry["end"]]
        assert entry["endianness"] == "big"
        assert list(struct.unpack(f">{entry['shape'][0]}f", data)) == pytest.approx(other["data"], **NEAR)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"model": "chat", "input": "a"}),
        ("/classify", {"model": "embedder", "input": "a"}),
        ("/score", {"model": "classifier", "queries": "a", "documents": "b"}),
        ("/pooling", {"model": "reranker", "input": "a", "task": "embed"}),
        ("/v1/chat/completions", {"model": "embedder", "messages": [{"role": "user", "content": "a"}]}),
    ],
)
def test_another_models_work_is_refused_with_what_this_one_can(zoo: Zoo, path: str, body: dict[str, Any]) -> None:
    error = zoo.post(path, **body).json()["error"]
    assert error["code"] == "unsupported_task"
    assert "it can" in error["message"]


@pytest.mark.parametrize("text", ["dog " * 200, "dog " * 25_000])
def test_texts_that_are_too_long(zoo: Zoo, text: str) -> None:
    response = zoo.post("/v1/embeddings", model="embedder", input=["a", text])
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "input[1]"
    got = zoo.answer("/v1/embeddings", model="embedder", input=["a", text], truncate_prompt_tokens=-1)
    assert got["usage"]["prompt_tokens"] == 3 + 160


def test_examples_of_the_documentation(zoo: Zoo) -> None:
    examples = re.findall(r"```json\nPOST (\S+)\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) >= 7
    for path, body in examples:
        zoo.answer(path, **json.loads(body))
