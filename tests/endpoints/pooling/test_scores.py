"""Score and rerank: how pairs are made and asked for by kind of model, and how their scores are answered."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from frameworkctl.interfaces import PoolItem, RequestError
from frameworkctl_endpoints.scoring.rerank import RerankEndpoint
from frameworkctl_endpoints.scoring.score import PAIRS, ScoreEndpoint
from support.engine import pooling as fake

SCORE, RERANK = ScoreEndpoint(), RerankEndpoint()
CROSS = fake.model(("classify",), labels=("relevance",))


def seen(item: PoolItem) -> list[float]:
    """The prompt as a number, and where its second text begins."""
    return [float("".join(map(str, item.prompt.token_ids)) + f".{item.params.second}")]


def scores(body: dict[str, Any], served: Any = CROSS, pool: Any = seen) -> list[float]:
    return [entry["score"] for entry in fake.answer(SCORE, body, served, pool)["data"]]


@pytest.mark.parametrize("names", PAIRS)
def test_both_sides_under_every_pair_of_names(names: tuple[str, str]) -> None:
    """The second text begins behind three tokens: a special one, a word, a special one."""
    assert scores({names[0]: "a", names[1]: "bb"}) == [pytest.approx(14252.3)]


def test_one_to_many_and_pairs_keep_their_order() -> None:
    want = [14242.3, 14252.3, 14262.3]
    assert scores({"queries": "a", "documents": ["b", "bb", "bbb"]}) == pytest.approx(want)
    assert scores({"queries": ["a"], "documents": ["b", "bb", "bbb"]}) == pytest.approx(want)
    assert scores({"queries": ["a", "aa"], "documents": ["b", "bb"]}) == pytest.approx([14242.3, 15252.3])


@pytest.mark.parametrize("form", [{"text": "bb"}, {"content": "bb"}, {"content": [{"type": "text", "text": "bb"}]}])
def test_forms_of_a_text(form: dict[str, Any]) -> None:
    assert scores({"queries": "a", "documents": [form]}) == scores({"queries": "a", "documents": form})
    assert scores({"queries": form, "documents": "a"}) == scores({"queries": "bb", "documents": "a"})


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({}, "queries"),
        ({"queries": "a"}, "documents"),
        ({"documents": "a"}, "queries"),
        ({"queries": "a", "text_2": "b"}, "documents"),
        ({"queries": [], "documents": "a"}, "queries"),
        ({"queries": "a", "documents": []}, "documents"),
        ({"queries": ["a", "b"], "documents": ["c"]}, "queries"),
        ({"queries": ["a", "b"], "documents": ["c"] * 3}, "queries"),
        ({"queries": 5, "documents": "a"}, "queries"),
        ({"queries": "a", "documents": [5]}, "documents[0]"),
        ({"queries": [1, 2], "documents": [3, 4]}, "queries[0]"),
        ({"queries": "a", "documents": [{"content": [{"type": "image_url"}]}]}, "documents[0].content[0]"),
        ({"queries": "a", "documents": {"title": "x"}}, "documents"),
        ({"queries": "", "documents": ["a", ""]}, "documents[1]"),
        ({"text_1": "", "text_2": ["a", ""]}, "text_2[1]"),
        ({"data_1": ["a", "b"], "data_2": ["c"]}, "data_1"),
        ({"queries": "a", "documents": "b", "max_tokens_per_doc": -1}, "max_tokens_per_doc"),
        ({"queries": "a", "documents": "b", "max_tokens_per_query": 64}, "max_tokens_per_query"),
        ({"queries": "a", "documents": "b", "chat_template_kwargs": {"tools": []}}, "chat_template_kwargs"),
        ({"queries": "a", "documents": "b", "instruction": "x"}, "instruction"),
    ],
)
def test_nonsense_is_refused_by_name(given: dict[str, Any], param: str) -> None:
    assert fake.refusal(SCORE, given, CROSS).param == param


def test_limits_of_either_text_reach_the_model() -> None:
    body = {"queries": "a", "documents": "b", "max_tokens_per_query": 3, "max_tokens_per_doc": 5}
    scores({**body, "truncate_prompt_tokens": 9, "truncation_side": "left"})
    want = {"truncate": 9, "truncation_side": "left", "max_query": 3, "max_doc": 5, "param": "documents"}
    assert fake.asked[-1] == want


@pytest.mark.parametrize(("name", "value"), [("use_activation", 0), ("activation", 0), ("softmax", 0), ("priority", 1)])
def test_the_switch_of_the_activation(name: str, value: int) -> None:
    given = {"queries": "a", "documents": "b", name: bool(value) if name != "priority" else 0}
    assert scores(given, pool=lambda item: [float(item.params.activate)]) == [value]


def test_a_score_template_has_both_texts_and_the_instruction() -> None:
    """Texts are cut before they are rendered."""
    served = fake.model(("classify",), labels=("relevance",), score_template=True)
    body = {
        "queries": "a b c",
        "documents": ["d e f"],
        "instruction": "why",
        "max_tokens_per_doc": 2,
        "max_tokens_per_query": 1,
    }
    prompts = []
    scores(body, served, lambda item: prompts.append(item.prompt.text) or [0.0])
    assert prompts == ["query: a document: d e"]
    assert fake.asked[-1]["template_kwargs"] == {"instruction": "why"}
    assert fake.asked[-1]["add_special_tokens"] is True
    assert fake.asked[-1]["add_generation_prompt"] is False
    scores({**body, "chat_template_kwargs": {"instruction": "mine"}}, served)
    assert fake.asked[-1]["template_kwargs"] == {"instruction": "mine"}


def test_embedders_are_asked_for_each_text_once() -> None:
    """The query once; cosines of (tokens, sum of ids, 0, 0)."""
    asked: list[list[int]] = []

    def vector(item: PoolItem) -> list[float]:
        asked.append(list(item.prompt.token_ids))
        return {3: [1.0, 0, 0, 0], 4: [3.0, 4.0, 0, 0], 5: [0, 2.0, 0, 0]}[len(item.prompt.token_ids)]

    body = fake.answer(SCORE, {"queries": "a", "documents": ["b c", "d", "e f g"]}, fake.model(), vector)
    assert [entry["score"] for entry in body["data"]] == pytest.approx([0.6, 1.0, 0.0])
    assert len(asked) == 4
    assert body["usage"]["prompt_tokens"] == 15
    body = fake.answer(SCORE, {"queries": ["a", "e f g"], "documents": ["b c", "d"]}, fake.model(), vector)
    assert [entry["score"] for entry in body["data"]] == pytest.approx([0.6, 0.0])


def test_embedders_put_their_prompts_before_queries_and_documents() -> None:
    served = fake.model(prompts={"query": "find ", "document": "text "})
    prompts = []
    scores({"queries": "a", "documents": ["b"]}, served, lambda item: prompts.append(item.prompt.text) or [1.0])
    assert prompts == ["find a", "text b"]


def test_late_interaction_compares_tokens() -> None:
    def rows(item: PoolItem) -> list[list[float]]:
        return [[float(i), 1.0] for i in item.prompt.token_ids]

    served = fake.model(("token_embed",))
    query, documents = [1, 4, 2], [[1, 5, 2], [1, 6, 7, 2]]
    want = [sum(max(q * d + 1.0 for d in document) for q in query) for document in documents]
    assert scores({"queries": "a", "documents": ["bb", "ccc dddd"]}, served, rows) == want


@pytest.mark.parametrize("served", [fake.model(("classify",), labels=("a", "b")), fake.model(("token_classify",))])
def test_other_classifiers_are_refused_with_what_they_can_do(served: Any) -> None:
    with pytest.raises(RequestError, match=", ".join(served.info.tasks)) as e:
        scores({"queries": "a", "documents": "b"}, served)
    assert (e.value.status, e.value.code) == (400, "unsupported_task")


def relevance(item: PoolItem) -> list[float]:
    """Of the document's only word, by its length."""
    return [{1: 0.5, 2: 0.9, 3: 0.5, 4: 0.1}[item.prompt.token_ids[-2] - 3]]


def rerank(path: str = "/rerank", **body: Any) -> dict[str, Any]:
    given = {"query": "q", "documents": ["a", "bb", "ccc", "dddd"], **body}
    found: dict[str, Any] = fake.answer(RERANK, given, CROSS, relevance, path)
    return found


@pytest.mark.parametrize("path", [route.path for route in RERANK.routes])
def test_best_first_and_of_equals_the_first(path: str) -> None:
    body = rerank(path)
    assert [r["index"] for r in body["results"]] == [1, 0, 2, 3]
    assert [r["relevance_score"] for r in body["results"]] == pytest.approx([0.9, 0.5, 0.5, 0.1])
    assert body["results"][0]["document"] == {"text": "bb", "multi_modal": None}
    assert body["id"] == "rerank-rid"
    assert body["model"] == "m"
    assert set(body["usage"]) == {"prompt_tokens", "total_tokens"}
    assert body["meta"]["billed_units"] == {"search_units": 1}


@pytest.mark.parametrize(("top_n", "count"), [(None, 4), (0, 4), (2, 2), (99, 4), ("1", 1)])
def test_as_many_as_are_wanted(top_n: Any, count: int) -> None:
    assert len(rerank(top_n=top_n)["results"]) == count


@pytest.mark.parametrize(("path", "shown"), [("/rerank", True), ("/v1/rerank", False), ("/v2/rerank", False)])
def test_documents_may_be_left_out_as_jina_and_cohere_have_it(path: str, shown: bool) -> None:
    assert all(("document" in r) is shown for r in rerank(path, return_documents=False)["results"])
    assert all("document" in r for r in rerank(path, return_documents=True)["results"])


def test_equal_documents_are_equally_relevant_whatever_a_batch_rounds() -> None:
    values = iter([0.5, 0.5000001, 0.9])
    body = {"query": "q", "documents": ["a", "a", "bb"]}
    got = fake.answer(RERANK, body, CROSS, lambda item: [next(values)])
    assert [r["index"] for r in got["results"]] == [2, 0, 1]


def test_documents_as_objects() -> None:
    body = rerank(documents=[{"text": "a"}, {"text": "bb"}])
    assert [r["document"]["text"] for r in body["results"]] == ["bb", "a"]


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"query": ["q"]}, "query"),
        ({"query": None}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": [1]}, "documents[0]"),
        ({"top_n": -1}, "top_n"),
        ({"top_n": "x"}, "top_n"),
        ({"rank_fields": ["title"]}, "rank_fields"),
        ({"max_chunks_per_doc": 10}, "max_chunks_per_doc"),
    ],
)
def test_rerank_refuses_by_name(given: dict[str, Any], param: str) -> None:
    body = {"query": "q", "documents": ["a"], **given}
    assert fake.refusal(RERANK, body, CROSS).param == param


def test_an_embedder_names_the_fields_of_the_request() -> None:
    served = fake.model()
    fake.answer(RERANK, {"query": "a", "documents": ["b"]}, served)
    assert [options["param"] for options in fake.asked[-2:]] == ["query", "documents"]
    fake.answer(SCORE, {"data_1": "a", "data_2": ["b"]}, served)
    assert [options["param"] for options in fake.asked[-2:]] == ["data_1", "data_2"]


def test_without_a_name_a_reranker_goes_before_embedders_and_no_classifier_is_asked() -> None:
    chat = SimpleNamespace(info=msgspec.structs.replace(CROSS.info, pooling=None))
    classes = fake.model(("classify",), labels=("a", "b", "c"))
    embedder, tokens = fake.model(("embed",)), fake.model(("token_embed",))
    for endpoint in (SCORE, RERANK):
        assert endpoint.default_model([chat, classes, embedder, CROSS]) is CROSS
        assert endpoint.default_model([classes, tokens, embedder]) is tokens
        assert endpoint.default_model([chat, classes]) is None
