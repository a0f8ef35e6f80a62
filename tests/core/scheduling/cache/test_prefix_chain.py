"""The names of page contents."""

from __future__ import annotations

from array import array

from frameworkctl.scheduling.cache import prefix
from hypothesis import given, settings
from hypothesis import strategies as st

EXTRAS = st.dictionaries(st.text("ab=/", max_size=3), st.text("ab=/", max_size=3), max_size=3)
TOKENS = st.lists(st.integers(0, 2), max_size=20)


def chain(root: bytes, tokens: list[int], block: int) -> list[bytes]:
    out: list[bytes] = []
    prefix.extend(out, root, array("i", tokens), block)
    return out


@given(a=EXTRAS, b=EXTRAS)
@settings(deadline=None, max_examples=300)
def test_roots_are_equal_only_for_equal_extras(a: dict[str, str], b: dict[str, str]) -> None:
    assert (prefix.root(a) == prefix.root(b)) == (a == b)


def test_no_extras_are_no_extras() -> None:
    assert prefix.root(None) == prefix.root({})
    assert prefix.root({"a": "1", "b": "2"}) == prefix.root({"b": "2", "a": "1"})
    assert len({prefix.root({"a": "bc"}), prefix.root({"ab": "c"}), prefix.root({"a": "b", "c": ""})}) == 3


@given(a=TOKENS, b=TOKENS, block=st.integers(1, 5), same_root=st.booleans())
@settings(deadline=None, max_examples=300)
def test_names_are_equal_as_long_as_all_before_them_is(a: list[int], b: list[int], block: int, same_root: bool) -> None:
    one = chain(b"x", a, block)
    two = chain(b"x" if same_root else b"y", b, block)
    assert (len(one), len(two)) == (len(a) // block, len(b) // block)
    for n, (p, q) in enumerate(zip(one, two, strict=False), start=1):
        assert (p == q) == (same_root and a[: n * block] == b[: n * block])
    assert len(set(one)) == len(one)


@given(tokens=TOKENS, block=st.integers(1, 5), cuts=st.lists(st.integers(0, 20), max_size=5))
@settings(deadline=None, max_examples=100)
def test_a_chain_that_grew_is_the_chain_made_at_once(tokens: list[int], block: int, cuts: list[int]) -> None:
    grown: list[bytes] = []
    for cut in [*sorted(cuts), len(tokens)]:
        prefix.extend(grown, b"x", array("i", tokens[:cut]), block)
    assert grown == chain(b"x", tokens, block)


def test_large_and_negative_ids_have_names_of_their_own() -> None:
    ids = [0, 1, 255, 256, 65536, (1 << 31) - 1, -1]
    assert len({chain(b"", [i], 1)[0] for i in ids}) == len(ids)
