"""The sequences of a wide request come to life a few at a time, and each exactly once."""

from __future__ import annotations

from array import array

from frameworkctl.engine.messages import Generate
from frameworkctl.engine.requests import Request
from frameworkctl.params import SamplingParams
from hypothesis import given
from hypothesis import strategies as st


def request(n: int, **params: int) -> Request:
    message = Generate(1, array("i", [1, 2, 3]).tobytes(), SamplingParams(n=n, max_tokens=4, **params), seed=10, call=5)
    return Request(message, groups=1, max_model_len=6)


@given(n=st.integers(1, 40), room=st.integers(1, 9), data=st.data())
def test_each_is_made_once_or_was_not_wanted(n: int, room: int, data: st.DataObject) -> None:
    wide, last, made, unwanted = request(n), 0, list[int](), set[int]()
    while wide.left or wide.alive:
        new = wide.make(room, last)
        assert [seq.id for seq in new] == list(range(last + 1, last + 1 + len(new)))
        last += len(new)
        made += [seq.index for seq in new]
        assert len(wide.alive) <= room
        for index in data.draw(st.lists(st.integers(0, n - 1), max_size=3)):
            if wide.stop(index) is None and index not in made:
                unwanted.add(index)
        if wide.alive:
            wide.alive.pop(data.draw(st.sampled_from(sorted(wide.alive))))
    assert made == [index for index in range(n) if index not in unwanted]


def test_they_differ_by_seed_only() -> None:
    first, second = request(2, prompt_logprobs=1).make(9, 0)
    assert (first.seed, second.seed) == (10, 11)
    assert (first.params.prompt_logprobs, second.params.prompt_logprobs) == (1, None)
    for seq in (first, second):
        assert (list(seq.tokens), seq.limit, seq.call, seq.request) == ([1, 2, 3], 6, 5, 1)
    first.tokens.append(9)
    assert list(second.tokens) == [1, 2, 3]
