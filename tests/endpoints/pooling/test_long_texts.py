"""Embeddings of texts beyond the context, in pieces: which pieces, and the mean of their vectors."""

from __future__ import annotations

import math
from typing import Any

import pytest
from frameworkctl_endpoints.pooling.cohere_embed import CohereEmbedEndpoint
from frameworkctl_endpoints.pooling.embeddings import EmbeddingsEndpoint
from frameworkctl_endpoints.scoring.score import ScoreEndpoint
from support.engine import pooling as fake

EMBED, COHERE, SCORE = EmbeddingsEndpoint(), CohereEmbedEndpoint(), ScoreEndpoint()
LONG = "a " * 62 + "bb " * 62 + "ccc"


def answer(body: dict[str, Any], pool: Any = fake.counts, **info: Any) -> list[list[float]]:
    served = fake.model(**{"chunked": True, **info})
    return [entry["embedding"] for entry in fake.answer(EMBED, body, served, pool)["data"]]


def test_every_piece_has_the_special_tokens() -> None:
    """62 words and two special tokens fill the fake model's context."""
    pieces: list[list[int]] = []
    got = answer({"input": ["a", LONG]}, lambda item: pieces.append(list(item.prompt.token_ids)) or fake.counts(item))
    assert pieces == [[1, 4, 2], [1, *[4] * 62, 2], [1, *[5] * 62, 2], [1, 6, 2]]
    sums = [3 + 4 * 62, 3 + 5 * 62, 9]
    tokens = (62 * 64 + 62 * 64 + 1 * 3) / 125
    assert got == [[3, 7, 1, 0], pytest.approx([tokens, (62 * sums[0] + 62 * sums[1] + sums[2]) / 125, 1, 0])]


def test_the_input_at_fault_is_named_not_its_piece() -> None:
    error = fake.refusal(EMBED, {"input": [[7] * 200, []]}, fake.model(chunked=True))
    assert error.param == "input[1]"


@pytest.mark.parametrize(("length", "want"), [(1.0, 1.0), (3.0, None)])
def test_vectors_of_length_one_have_a_mean_of_length_one(length: float, want: float | None) -> None:
    def vector(item: Any) -> list[float]:
        return [length, 0.0, 0.0, 0.0] if item.prompt.token_ids[1] == 4 else [0.0, length, 0.0, 0.0]

    (got,) = answer({"input": "a " * 62 + "bb " * 31}, vector)
    mean = [2 / 3, 1 / 3, 0, 0]
    scale = math.hypot(*mean) if want else 1 / length
    assert got == pytest.approx([x / scale for x in mean])


def test_token_ids_have_no_special_tokens() -> None:
    pieces: list[int] = []
    answer({"input": [7] * 130}, lambda item: pieces.append(len(item.prompt.token_ids)) or fake.counts(item))
    assert pieces == [64, 64, 2]


@pytest.mark.parametrize("chunked", [True, False])
def test_the_operators_limit(chunked: bool) -> None:
    served = fake.model(chunked=chunked, max_embed_len=10)
    fake.answer(EMBED, {"input": "a b c"}, served)
    cross = {"queries": "a", "documents": ["b", "b " * 9]}
    for endpoint, body, param in (
        (EMBED, {"input": ["a", "a " * 9]}, "input[1]"),
        (SCORE, cross, "documents[1]"),
        (COHERE, {"texts": ["a", "a " * 9], "truncate": "NONE"}, "texts[1]"),
    ):
        error = fake.refusal(endpoint, body, served)
        assert (error.param, error.code) == (param, "context_length_exceeded")


def test_what_is_cut_to_what_may_be_is_cut_to_the_operators_limit() -> None:
    served = fake.model(max_embed_len=10)
    fake.answer(EMBED, {"input": "a", "truncate_prompt_tokens": -1}, served)
    assert fake.asked[-1]["truncate"] == 10
    fake.answer(SCORE, {"queries": "a", "documents": "b", "truncate_prompt_tokens": -1}, served)
    assert fake.asked[-1]["truncate"] == 10
    fake.answer(COHERE, {"texts": ["a"], "max_tokens": 20}, served)
    assert fake.asked[-1]["truncate"] == 10
    assert fake.answer(EMBED, {"input": ["a", "b c"], "padding": "max_length"}, served)["data"][1]["embedding"][0] == 10


def test_padding_is_refused_where_texts_come_in_pieces() -> None:
    served, body = fake.model(chunked=True), {"input": "a", "padding": "max_length"}
    assert fake.refusal(EMBED, body, served).param == "padding"
    assert fake.answer(EMBED, {**body, "truncate_prompt_tokens": 9}, served)["data"][0]["embedding"][0] == 9


def test_pieces_for_coheres_clients() -> None:
    served, want = fake.model(chunked=True), answer({"input": ["a", LONG]})
    got = fake.answer(COHERE, {"texts": ["a", LONG], "truncate": "NONE"}, served)
    assert got["embeddings"]["float"] == [pytest.approx(vector) for vector in want]
    assert (
        len(fake.answer(COHERE, {"texts": ["a", LONG]}, served)["embeddings"]["float"]) == 2
    )  # END: cut, not in pieces
    body = {"texts": ["a", LONG], "truncate": "NONE", "max_tokens": 100}
    assert fake.refusal(COHERE, body, served).param == "texts[1]"
