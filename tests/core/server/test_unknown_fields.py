"""Unknown names are found at every level, by their paths, and no more of them than a header should hold."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from frameworkctl.server.http.bodies.unknown_fields import unknown_fields
from frameworkctl.server.http.header_names import MAX_NAMED, MAX_PATH, for_header


class Leaf(msgspec.Struct):
    size: int = 0
    length: Annotated[int | None, msgspec.Meta(extra={"alias": True})] = None


class Branch(msgspec.Struct, rename="camel"):
    leaf_of: Leaf | None = None
    leaves: list[Leaf] | None = None
    by_name: dict[str, Leaf] | None = None
    pair: tuple[Leaf, ...] = ()
    free: dict[str, Any] | None = None
    declared: Annotated[Any, msgspec.Meta(extra={"fields": list[Leaf]})] = None
    again: Branch | None = None


class Body(msgspec.Struct):
    branch: Branch | None = None
    text: str | list[str] | None = None


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"text": "a", "branch": None}, []),
        ({"txt": 1, "branch": {"leaf": 2}}, ["txt", "branch.leaf"]),
        ({"branch": {"leafOf": {"size": 1, "colour": 2}}}, ["branch.leafOf.colour"]),
        ({"branch": {"leaf_of": {}}}, ["branch.leaf_of"]),
        ({"branch": {"leaves": [{}, {"a": 1}, {"size": 2, "b": 1}]}}, ["branch.leaves[1].a", "branch.leaves[2].b"]),
        ({"branch": {"byName": {"x": {"size": 1}, "y": {"c": 1}}}}, ["branch.byName.y.c"]),
        ({"branch": {"pair": [{"d": 1}]}}, ["branch.pair[0].d"]),
        ({"branch": {"free": {"anything": {"at": "all"}}}}, []),
        ({"branch": {"declared": [{"e": 1}, "text", None]}}, ["branch.declared[0].e"]),
        ({"branch": {"declared": [[{"e": 1}], 5]}}, ["branch.declared[0][0].e"]),
        ({"branch": {"declared": "a text"}}, []),
        ({"branch": {"again": {"again": {"f": 1, "leafOf": 5}}}}, ["branch.again.again.f"]),
        ({"branch": []}, []),
    ],
)
def test_each_level(body: Any, paths: list[str]) -> None:
    assert unknown_fields(Body, msgspec.json.encode(body)) == paths


@pytest.mark.parametrize("body", [b"[1]", b"5", b"", b"{", b'{"branch":' + b"[" * 100_000 + b"]" * 100_000 + b"}"])
def test_what_is_not_an_object_has_none(body: bytes) -> None:
    assert unknown_fields(Body, body) == []


def test_aliases_are_known_unless_they_are_refused() -> None:
    body = msgspec.json.encode({"branch": {"leaves": [{"length": 1}, {"size": 1}, {"length": None}]}})
    assert unknown_fields(Body, body) == []
    assert unknown_fields(Body, body, aliases=False) == ["branch.leaves[0].length"]


def test_many_and_long_names_are_cut() -> None:
    many = {"branch": {"leaves": [{f"n{i}": 1} for i in range(10_000)]}, "x" * 1000: 1}
    found = unknown_fields(Body, msgspec.json.encode(many))
    assert len(found) == MAX_NAMED
    deep: dict[str, Any] = {"y" * 500: 1}
    for _ in range(60):
        deep = {"again": deep}
    (path,) = unknown_fields(Body, msgspec.json.encode({"branch": deep}))
    assert len(path) == MAX_PATH
    assert path.startswith("...")
    assert path.endswith(".again." + "y" * 40)


def test_a_header_holds_no_characters_that_end_it() -> None:
    assert for_header(["a\r\nb: c", "é,x", "tools[0].b_c-d"]) == "a??b??c,??x,tools[0].b_c-d"
