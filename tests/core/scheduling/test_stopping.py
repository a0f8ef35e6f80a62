"""When a sequence ends, case by case."""

from __future__ import annotations

from typing import Any

import pytest
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.stopping import stop_reason
from support.engine.scheduling import make_sequence

EOS, EXTRA, STOP, OTHER = 2, 3, 5, 9
ENDS = (EOS, EXTRA)


@pytest.mark.parametrize(
    ("token", "params", "expected"),
    [
        (OTHER, {}, (None, None)),
        (OTHER, {"eos_token_ids": ENDS, "stop_token_ids": (STOP,)}, (None, None)),
        # the main end token has no id to report, the others have
        (EOS, {"eos_token_ids": ENDS}, ("stop", None)),
        (EXTRA, {"eos_token_ids": ENDS}, ("stop", EXTRA)),
        (EOS, {"eos_token_ids": (EXTRA, EOS)}, ("stop", EOS)),
        (EOS, {}, (None, None)),
        # stop ids
        (STOP, {"stop_token_ids": (STOP,)}, ("stop", STOP)),
        (STOP, {"stop_token_ids": (7, STOP), "eos_token_ids": ENDS}, ("stop", STOP)),
        # the main end token comes first
        (EOS, {"stop_token_ids": (EOS,), "eos_token_ids": ENDS}, ("stop", None)),
        (EXTRA, {"stop_token_ids": (EXTRA,), "eos_token_ids": ENDS}, ("stop", EXTRA)),
        # ignore_eos takes the end tokens away, not the stop ids
        (EOS, {"eos_token_ids": ENDS, "ignore_eos": True}, (None, None)),
        (EXTRA, {"eos_token_ids": ENDS, "ignore_eos": True}, (None, None)),
        (STOP, {"stop_token_ids": (STOP,), "eos_token_ids": ENDS, "ignore_eos": True}, ("stop", STOP)),
        (EOS, {"stop_token_ids": (EOS,), "eos_token_ids": ENDS, "ignore_eos": True}, ("stop", EOS)),
        (EXTRA, {"stop_token_ids": (EXTRA,), "eos_token_ids": ENDS, "ignore_eos": True}, ("stop", EXTRA)),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_the_reason(token: int, params: dict[str, Any], expected: tuple[str | None, int | None], last: bool) -> None:
    seq = make_sequence([1, 1, 1], SamplingParams(max_tokens=2, **params), groups=1)
    seq.tokens.extend([OTHER, token] if last else [token])
    if last and expected[0] is None:
        expected = ("length", None)  # and only then: a stop token at the limit is a stop
    assert stop_reason(seq, token) == expected


@pytest.mark.parametrize(
    ("prompt", "most", "window", "ends"), [(3, 4, 99, 4), (3, 4, 5, 2), (3, 1, 4, 1), (3, 9, 4, 1)]
)
def test_the_length_is_that_of_the_request_or_of_the_model(prompt: int, most: int, window: int, ends: int) -> None:
    seq = make_sequence([1] * prompt, SamplingParams(max_tokens=most), groups=1, max_model_len=window)
    for n in range(1, ends + 1):
        seq.tokens.append(OTHER)
        assert stop_reason(seq, OTHER) == (("length", None) if n == ends else (None, None))
