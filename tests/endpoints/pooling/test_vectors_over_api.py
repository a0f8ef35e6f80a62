"""Embeddings, pooling, classes and Cohere's embeddings: what is asked of a model by rule, and how it is answered."""

from __future__ import annotations

import base64
import json
import struct
import sys
from typing import Any

import pytest
from frameworkctl_endpoints.pooling.classify import ClassifyEndpoint
from frameworkctl_endpoints.pooling.cohere_embed import CohereEmbedEndpoint
from frameworkctl_endpoints.pooling.embeddings import EmbeddingsEndpoint
from frameworkctl_endpoints.pooling.fields import MAX_TEXTS
from frameworkctl_endpoints.pooling.pooling import PoolingEndpoint
from frameworkctl_endpoints.pooling.replies import MAX_METADATA, written
from support.engine import pooling as fake

EMBED, POOL, CLASSIFY, COHERE = EmbeddingsEndpoint(), PoolingEndpoint(), ClassifyEndpoint(), CohereEmbedEndpoint()
HI = {"role": "user", "content": "hi"}


def vectors(body: dict[str, Any], **info: Any) -> list[list[float]]:
    return [entry["embedding"] for entry in fake.answer(EMBED, body, fake.model(**info))["data"]]


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ({"input": "a bb"}, [[4, 12, 1, 0]]),
        ({"input": ["a", "bb ccc"]}, [[3, 7, 1, 0], [4, 14, 1, 0]]),
        ({"input": [5, 6]}, [[2, 11, 1, 0]]),
        ({"input": [[5, 6], [7]]}, [[2, 11, 1, 0], [1, 7, 1, 0]]),
        ({"input": "a bb", "add_special_tokens": False}, [[2, 9, 1, 0]]),
        ({"input": ""}, [[2, 3, 1, 0]]),
        ({"input": "a", "use_activation": False}, [[3, 7, 0, 0]]),
        ({"input": "a", "normalize": False}, [[3, 7, 0, 0]]),
        ({"input": "a", "use_activation": True, "normalize": False}, [[3, 7, 1, 0]]),
        ({"input": [HI]}, [[5, 23, 1, 0]]),
        ({"input": [[HI], [HI, HI]]}, [[5, 23, 1, 0], [7, 36, 1, 0]]),
        ({"messages": [HI]}, [[5, 23, 1, 0]]),
        ({"messages": [[HI], [HI]]}, [[5, 23, 1, 0], [5, 23, 1, 0]]),
    ],
)
def test_forms_of_input(given: dict[str, Any], want: list[list[float]]) -> None:
    assert vectors(given) == want


def test_the_model_says_what_is_not_asked() -> None:
    assert vectors({"input": "a"}, normalize=False) == [[3, 7, 0, 0]]
    assert vectors({"input": "a", "normalize": True}, normalize=False) == [[3, 7, 1, 0]]


def test_what_the_answer_looks_like() -> None:
    body = fake.answer(EMBED, {"input": ["a", "b"], "request_id": "mine", "user": "u"}, fake.model())
    created = body.pop("created")
    assert isinstance(created, int)
    usage = {
        "prompt_tokens": 6,
        "total_tokens": 6,
        "completion_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    entries = [{"index": i, "object": "embedding", "embedding": [3, 6 + 1, 1, 0]} for i in range(2)]
    assert body == {"id": "embd-mine", "object": "list", "model": "m", "data": entries, "usage": usage}


def test_floats_come_as_the_engine_gave_them() -> None:
    numbers = [0.1, -1e-8, 3.4e38, 1 / 3]
    got = fake.answer(EMBED, {"input": "a"}, fake.model(), lambda item: numbers)["data"][0]["embedding"]
    assert struct.pack("<4f", *got) == struct.pack("<4f", *numbers)


@pytest.mark.parametrize(("order", "sign"), [("little", "<"), ("big", ">"), (None, "<>"[sys.byteorder == "big"])])
def test_base64_and_byte_orders(order: str | None, sign: str) -> None:
    body = {"input": ["a", "b c"], "encoding_format": "base64", "endianness": order}
    data = [base64.b64decode(e["embedding"]) for e in fake.answer(EMBED, body, fake.model())["data"]]
    assert [struct.unpack(f"{sign}4f", d) for d in data] == [(3, 7, 1, 0), (4, 11, 1, 0)]
    half = fake.answer(EMBED, {**body, "embed_dtype": "float16"}, fake.model())["data"][0]["embedding"]
    assert struct.unpack(f"{sign}4e", base64.b64decode(half)) == (3, 7, 1, 0)


def test_bytes_with_a_header_that_says_where_each_is() -> None:
    """Decoded as a client would: slice, then by type, order and shape."""
    body = {"input": ["a", "b c"], "task": "token_embed", "encoding_format": "bytes", "embed_dtype": "float16"}
    served = fake.model(("token_embed",))
    reply = fake.reply(POOL, body, served, lambda item: [[float(i), 0.5] for i in item.prompt.token_ids])
    metadata = json.loads(reply.headers["metadata"])
    assert reply.media_type == "application/octet-stream"
    assert metadata["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert [e["shape"] for e in metadata["data"]] == [[3, 2], [4, 2]]
    for entry, ids in zip(metadata["data"], ([1, 4, 2], [1, 4, 4, 2]), strict=True):
        data = reply.body[entry["start"] : entry["end"]]
        order = {"little": "<", "big": ">"}[entry["endianness"]]
        want = [x for i in ids for x in (i, 0.5)]
        assert list(struct.unpack(f"{order}{len(data) // 2}e", data)) == want
    assert metadata["data"][-1]["end"] == len(reply.body)


def test_bytes_only_says_nothing() -> None:
    reply = fake.reply(EMBED, {"input": ["a", "b"], "encoding_format": "bytes_only"}, fake.model())
    assert "metadata" not in reply.headers
    assert len(reply.body) == 2 * 4 * 4


def test_metadata_that_fits_no_header_is_refused_before_and_after() -> None:
    """From a count that cannot fit before anything is computed, and where it turns out not to."""
    asked = []

    def count(item: Any) -> list[float]:
        asked.append(item)
        return [0.0] * 4

    body = {"input": ["a"] * (MAX_METADATA // 80 + 1), "encoding_format": "bytes"}
    assert "bytes_only" in str(fake.refusal(EMBED, body, fake.model(), pool=count))
    assert not asked
    body["input"] = ["a"] * (MAX_METADATA // 80 - 1)
    assert fake.refusal(EMBED, body, fake.model(), pool=count).param == "encoding_format"
    assert asked


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({}, "input"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", 3]}, "input"),
        ({"input": [[1], "a"]}, "input"),
        ({"input": [[1, HI]]}, "input"),
        ({"messages": []}, "messages"),
        ({"messages": [[]]}, "messages"),
        ({"input": [[]]}, "input"),
        ({"input": ["a"] * (MAX_TEXTS + 1)}, "input"),
        ({"input": "a", "messages": [HI]}, "input"),
        ({"input": 5}, "input"),
        ({"input": [1.5]}, "input[0]"),
        ({"input": {"a": 1}}, "input"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "embed_dtype": "int3"}, "embed_dtype"),
        ({"input": "a", "endianness": "middle"}, "endianness"),
        ({"input": "a", "truncate_prompt_tokens": -2}, "truncate_prompt_tokens"),
        ({"input": "a", "cache_salt": ""}, "cache_salt"),
        ({"input": "a", "dimensions": 2}, "dimensions"),
        ({"input": "a", "dimensions": "x"}, "dimensions"),
        ({"input": "a", "padding": "left"}, "padding"),
        ({"input": "a", "priority": 2**70}, "priority"),
        ({"input": "a", "mm_processor_kwargs": {"a": 1}}, "mm_processor_kwargs"),
        ({"messages": [HI], "add_generation_prompt": True, "continue_final_message": True}, "continue_final_message"),
        ({"input": "a", "input_type": "poem"}, "input_type"),
        ({"input": "a", "request_id": 5}, "request_id"),
    ],
)
def test_nonsense_is_refused_by_name(given: dict[str, Any], param: str) -> None:
    assert fake.refusal(EMBED, given, fake.model()).param == param


def test_what_truncates_reaches_the_model() -> None:
    fake.answer(EMBED, {"input": "a", "truncate_prompt_tokens": 3, "truncation_side": "left"}, fake.model())
    want = {"truncate": 3, "truncation_side": "left", "add_special_tokens": True, "param": "input"}
    assert fake.asked[-1] == want
    fake.answer(
        EMBED, {"messages": [HI], "add_generation_prompt": True, "chat_template_kwargs": {"a": 1}}, fake.model()
    )
    assert fake.asked[-1]["template_kwargs"] == {"a": 1}
    assert fake.asked[-1]["add_generation_prompt"] is True
    assert fake.asked[-1]["add_special_tokens"] is False


@pytest.mark.parametrize("given", [{"input": "a"}, {"input": [4, 4]}, {"messages": [HI]}, {"messages": [[HI], [HI]]}])
@pytest.mark.parametrize(
    ("endpoint", "served"),
    [
        (EMBED, fake.model()),
        (POOL, fake.model()),
        (POOL, fake.model(("classify",))),
        (CLASSIFY, fake.model(("classify",))),
    ],
)
def test_padding_fills_every_form_up(endpoint: Any, served: Any, given: dict[str, Any]) -> None:
    """To what is kept of a text, or to the context of 64; the model by rule counts the tokens."""
    for asked, want in (({}, 64), ({"truncate_prompt_tokens": 30}, 30)):
        got = fake.answer(endpoint, {**given, "padding": "max_length", **asked}, served)
        for entry in got["data"]:
            assert (entry.get("embedding") or entry.get("data") or entry["probs"])[0] == want


@pytest.mark.parametrize(
    ("sizes", "asked", "refused"), [((), [1, 4], [0, -4, 5]), ((2, 4), [2, 4], [3, 8]), (None, [], [2, 5, 0])]
)
def test_dimensions_are_those_that_the_model_was_trained_for(
    sizes: tuple[int, ...] | None, asked: list[int], refused: list[int]
) -> None:
    served = fake.model(matryoshka=sizes)
    for size in asked:
        got = fake.answer(
            EMBED, {"input": "a", "dimensions": size}, served, lambda item: [0.5] * item.params.dimensions
        )
        assert got["data"][0]["embedding"] == [0.5] * size
    for size in refused:
        assert fake.refusal(EMBED, {"input": "a", "dimensions": size}, served).param == "dimensions"


def test_prompts_of_the_model_by_input_type() -> None:
    served = {"prompts": {"query": "q ", "passage": "pp "}}
    assert vectors({"input": ["a"], "input_type": "query"}, **served) == [[4, 11, 1, 0]]
    assert vectors({"input": "a", "input_type": "search_query"}, **served) == [[4, 11, 1, 0]]
    assert vectors({"input": "a", "input_type": "search_document"}, **served) == [[4, 12, 1, 0]]
    assert vectors({"input": "a", "input_type": "clustering"}, **served) == [[3, 7, 1, 0]]
    error = fake.refusal(EMBED, {"input": [1, 2], "input_type": "query"}, fake.model(**served))
    assert error.param == "input_type"


def test_pooling_takes_the_models_own_task_or_another_that_it_has() -> None:
    served = fake.model(("token_classify", "classify", "embed"), activate=False, normalize=True)
    rows = fake.answer(POOL, {"input": "a"}, served, lambda item: [[float(i), 1.0] for i in item.prompt.token_ids])
    assert rows["data"] == [{"index": 0, "object": "pooling", "data": [[1, 1], [4, 1], [2, 1]]}]
    assert fake.answer(POOL, {"input": "a", "task": "classify"}, served)["data"][0]["data"] == [3, 7, 0, 0]
    assert fake.answer(POOL, {"input": "a", "task": "embed"}, served)["data"][0]["data"] == [3, 7, 1, 0]
    error = fake.refusal(POOL, {"input": "a", "task": "token_embed"}, served)
    assert (error.param, error.code) == ("task", "unsupported_task")
    assert "classify, embed, token_classify" in error.message


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"task": "dance"}, "task"),
        ({"task": "encode"}, "task"),
        ({"task": "score"}, "task"),
        ({"task": "classify", "dimensions": 2}, "dimensions"),
        ({"data": {"x": 1}}, "data"),
        ({"task": "classify", "input_type": "query"}, "input_type"),
    ],
)
def test_pooling_refuses_by_name(given: dict[str, Any], param: str) -> None:
    assert fake.refusal(POOL, {"input": "a", **given}, fake.model(("embed", "classify"))).param == param


def test_classes_with_their_labels() -> None:
    served = fake.model(("classify",), labels=("no", "yes"))
    scores = {3: [0.75, 0.25], 4: [0.25, 0.75]}
    body = fake.answer(CLASSIFY, {"input": ["a", "b c"]}, served, lambda item: scores[len(item.prompt.token_ids)])
    assert body["id"] == "classify-rid"
    assert body["data"] == [
        {"index": 0, "label": "no", "probs": [0.75, 0.25], "num_classes": 2},
        {"index": 1, "label": "yes", "probs": [0.25, 0.75], "num_classes": 2},
    ]


@pytest.mark.parametrize("name", ["use_activation", "softmax", "activation"])
def test_raw_scores_under_each_name_of_the_switch(name: str) -> None:
    served = fake.model(("classify",), labels=("a", "b", "c", "d"))
    assert fake.answer(CLASSIFY, {"input": "a", name: False}, served)["data"][0]["probs"] == [3, 7, 0, 0]
    assert fake.answer(CLASSIFY, {"input": "a"}, served)["data"][0]["label"] == "b"


def test_cohere_gives_every_type_that_is_asked_for() -> None:
    numbers = [1.0, -1.0, 0.0, 2.0, -3.0, 1.0, 1.0, -0.5]
    body = {
        "texts": ["a", "b"],
        "input_type": "search_document",
        "embedding_types": ["float", "base64", "ubinary", "binary"],
    }
    got = fake.answer(COHERE, body, fake.model(size=8), lambda item: numbers)
    packed = 0b10110110
    assert got["embeddings"]["float"] == [numbers] * 2
    assert [struct.unpack("<8f", base64.b64decode(x)) for x in got["embeddings"]["base64"]] == [tuple(numbers)] * 2
    assert got["embeddings"]["ubinary"] == [[packed]] * 2
    assert got["embeddings"]["binary"] == [[packed - 128]] * 2
    assert got["texts"] == ["a", "b"]
    assert got["response_type"] == "embeddings_by_type"
    assert got["meta"]["billed_units"] == {"input_tokens": 6}


def test_cohere_takes_content_and_truncates_as_asked() -> None:
    parts = {"content": [{"type": "text", "text": "a b"}, {"type": "text", "text": "c"}]}
    got = fake.answer(COHERE, {"inputs": [parts]}, fake.model())
    assert got["embeddings"] == {"float": [[5, 15, 1, 0]]}
    assert "texts" not in got
    assert (fake.asked[-1]["truncate"], fake.asked[-1]["truncation_side"]) == (64, "right")
    fake.answer(COHERE, {"texts": ["a"], "truncate": "START", "max_tokens": 9}, fake.model())
    assert (fake.asked[-1]["truncate"], fake.asked[-1]["truncation_side"]) == (9, "left")
    fake.answer(COHERE, {"texts": ["a"], "truncate": "NONE"}, fake.model())
    assert "truncate" not in fake.asked[-1]


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({}, "texts"),
        ({"texts": []}, "texts"),
        ({"texts": ["a"], "inputs": [{"content": "a"}]}, "texts"),
        ({"images": ["data:image/png;base64,AA"]}, "images"),
        ({"texts": ["a"], "embedding_types": ["int8"]}, "embedding_types[0]"),
        ({"texts": ["a"], "embedding_types": ["binary"]}, "embedding_types"),
        ({"texts": ["a"], "max_tokens": 0}, "max_tokens"),
        ({"texts": ["a", "b c d"], "truncate": "NONE", "max_tokens": 4}, "texts[1]"),
        ({"texts": ["a"], "output_dimension": 2}, "output_dimension"),
        ({"texts": ["a"], "input_type": "x"}, "input_type"),
        ({"inputs": [{"content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "inputs[0].content[0]"),
    ],
)
def test_cohere_refuses_by_name(given: dict[str, Any], param: str) -> None:
    assert fake.refusal(COHERE, given, fake.model()).param == param


def test_answers_are_written_entry_by_entry() -> None:
    numbers = [1.5, None, 'a"b']
    fields = {"none": iter(()), "one": iter([{"x": 1}]), "many": iter(numbers), "raw": b"[1]", "plain": {"é": [True]}}
    want = {"none": [], "one": [{"x": 1}], "many": numbers, "raw": [1], "plain": {"é": [True]}}
    assert json.loads(written(fields)) == want


def test_cohere_names_the_field_that_the_texts_came_in() -> None:
    for field in ("texts", "inputs"):
        given = ["a b"] if field == "texts" else [{"content": [{"type": "text", "text": "a b"}]}]
        body = {field: given, "truncate": "NONE", "max_tokens": 2}
        assert fake.refusal(COHERE, body, fake.model()).param == f"{field}[0]"
        fake.answer(COHERE, {field: given}, fake.model())
        assert fake.asked[-1]["param"] == field
