"""Prompts to pool: what one call may hold in memory, and which of many is named."""

from __future__ import annotations

from typing import Any

import pytest
from frameworkctl.errors import RequestError
from frameworkctl.interfaces import ModelInfo, PoolingInfo
from frameworkctl.limits import MAX_TEXT_BYTES
from frameworkctl.server.models.pool_prompts import MAX_TOKENS, PoolPrompts
from frameworkctl.text.tokenizer import TextTokenizer
from support.checkpoints.tiny import build_tokenizer

LONG = MAX_TOKENS // 4


def prompts(limit: int = LONG, **pooling: Any) -> PoolPrompts:
    info = ModelInfo(
        architecture="Fake",
        tasks=frozenset({"embed"}),
        vocab_size=100_000,
        hidden_size=4,
        num_layers=1,
        max_model_len=limit,
        pooling=PoolingInfo(size=4, **pooling),
    )
    return PoolPrompts(TextTokenizer(build_tokenizer(), {"pad_token": "<|pad|>"}), info, limit)


def refused(make: Any) -> RequestError:
    with pytest.raises(RequestError) as error:
        make()
    return error.value


def test_a_call_has_only_so_many_tokens() -> None:
    ids, made = [7] * LONG, prompts()
    assert len(made.batch([ids] * 4, True, None, None, False, "input")) == 4
    error = refused(lambda: made.batch([ids] * 4 + [[7]], True, None, None, False, "input"))
    assert (error.param, error.code) == ("input", "too_many_tokens")


def test_padding_counts() -> None:
    made = prompts()
    assert sum(len(p.token_ids) for p in made.batch(["fox"] * 3, True, None, None, True, "input")) == 3 * LONG
    assert refused(lambda: made.batch(["fox"] * 5, True, None, None, True, "input")).code == "too_many_tokens"


@pytest.mark.parametrize(("joined", "keep"), [(False, None), (True, 8)])
def test_one_query_counts_with_each_of_its_documents(joined: bool, keep: int | None) -> None:
    made = prompts(limit=1 << 20, pairs="joined" if joined else "separator")
    query = "fox " * (1 << 13)
    error = refused(lambda: made.pairs([(query, f"dog {i}") for i in range(2100)], keep, None, 0, 0, "documents"))
    assert (error.param, error.code) == ("documents", "too_many_tokens")


def test_a_text_to_be_cut_is_read_up_to_a_length() -> None:
    """What is not to be cut is refused far earlier."""
    made = prompts(limit=4)
    error = refused(lambda: made.batch(["fox", "a" * (MAX_TEXT_BYTES + 1)], True, 2, None, False, "input"))
    assert error.param == "input[1]"
    assert refused(lambda: made.batch(["a" * 9999], True, None, None, False, "input")).code == "context_length_exceeded"


def test_the_text_at_fault_is_named() -> None:
    made = prompts(limit=4)
    assert refused(lambda: made.batch(["fox", "the dog " * 4], True, None, None, False, "input")).param == "input[1]"
    assert refused(lambda: made.batch([[5], [6, -1]], True, None, None, False, "input")).param == "input[1]"
    assert refused(lambda: made.batch([[100_000]], True, None, None, False, "input")).param == "input"


def test_the_field_that_cuts_is_named_as_the_client_has_it() -> None:
    made = prompts(limit=40)
    for field in ("truncate_prompt_tokens", "max_tokens"):
        for keep in (0, 41):
            error = refused(lambda f=field, k=keep: made.batch(["fox"], True, k, None, False, "texts", f))
            assert error.param == field
            assert field in error.message
    error = refused(lambda: made.batch(["the dog " * 40], True, None, None, False, "texts", "truncate"))
    assert (error.param, error.message.split()[-1]) == ("texts", "truncate.")
