"""SamplingParams as a script writes them: checked at once, with the words of a request's errors."""

from __future__ import annotations

from typing import Any

import pytest
from frameworkctl import SamplingParams


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"temperature": 2.5}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_k": -2}, "top_k"),
        ({"n": 0}, "n"),
        ({"n": 2, "temperature": 0}, "n"),
        ({"n": "two"}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"min_tokens": 20}, "min_tokens"),
        ({"stop": ["a"] * 65}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"stop": 7}, "stop"),
        ({"seed": 1 << 70}, "seed"),
        ({"logprobs": -3}, "logprobs"),
        ({"stop_token_ids": [-1]}, "stop_token_ids"),
    ],
)
def test_what_no_model_can_do_is_refused_by_name(given: dict[str, Any], param: str) -> None:
    with pytest.raises(ValueError, match=param) as caught:
        SamplingParams(**given)
    assert caught.value.param == param


def test_a_parameter_that_does_not_exist() -> None:
    with pytest.raises(TypeError, match="use_beams"):
        SamplingParams(use_beams=True)


def test_fields_say_everything_that_asks_for_something() -> None:
    """What is left at its neutral value is said as well: the model's own defaults must not come in."""
    fields = SamplingParams(top_k=-1, stop="x", logit_bias={5: 1.0}, bad_words=[], seed=0).fields(100)
    assert fields["temperature"] == 1.0
    assert fields["top_p"] == 1.0
    assert fields["seed"] == 0
    assert fields["stop"] == "x"
    assert fields["max_tokens"] == 16
    assert not {"logprobs", "bad_words", "allowed_token_ids", "structured_outputs", "extra_args"} & fields.keys()
    assert SamplingParams(max_tokens=None).fields(100)["max_tokens"] == 100
    assert SamplingParams(logprobs=0).fields(100)["logprobs"] == 0
