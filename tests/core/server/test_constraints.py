"""Each constraint is compiled once, whoever asks and however often, and what failed is remembered too."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from frameworkctl.errors import RequestError
from frameworkctl.interfaces import Constraint
from frameworkctl.server.models import constraints
from frameworkctl.server.models.constraints import Constraints, grammar_of
from frameworkctl.workers.compiling import Compiled, Setup
from frameworkctl.workers.pool import NotStarted, OutOfMemory, OutOfTime, WorkerDied

SETUP = Setup(plugin="x", prepare="x:y", implementation="x:Z", tokenizer="", vocab_size=1, eos_token_ids=(), options={})


class Pool:
    """Answers with the choice in capitals, or raises what the choice names."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float]] = []
        self.raises: dict[str, list[Exception]] = {}

    def call(self, function: str, argument: tuple[bytes, str], *, seconds: float) -> Any:
        (choice,) = msgspec.json.decode(argument[1])["value"]
        self.seen.append((choice, seconds))
        if self.raises.get(choice):
            raise self.raises[choice].pop(0)
        if choice == "wrong":
            return msgspec.to_builtins(Compiled(error="it is wrong", param=None))
        return msgspec.to_builtins(Compiled(choice.upper(), ("a.b",)))

    def close(self) -> None:
        pass


class Characters:
    """A tokenizer whose tokens are characters; it shows ids as a list."""

    vocab_size, config = 256, {}  # type: ignore[var-annotated]

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [ord(c) for c in text]

    def decode(self, token_ids: Any, *, skip_special_tokens: bool = False) -> str:
        return str(list(token_ids))

    def token_to_id(self, token: str) -> int | None:
        return ord(token)

    def id_to_token(self, token_id: int) -> str | None:
        return chr(token_id)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    made = Pool()
    monkeypatch.setattr(Constraints, "_pool", lambda *_: made)
    return made


def ask(*choices: str, own: Constraints | None = None, seconds: float = 5.0) -> list[Any]:
    """Ask for all at once: grammars, or why there are none."""

    async def run() -> list[Any]:
        made = own or Constraints(SETUP, seconds=seconds)
        grammars = [
            grammar_of(
                Constraint(kind="choice", value=[c], ends=(str(i),), after=(i,), openings=("ab",)), 8, Characters()
            )
            for i, c in enumerate(choices)
        ]
        return await asyncio.gather(*(made.compiled(g) for g in grammars if g), return_exceptions=True)

    return asyncio.run(run())


def test_each_is_compiled_once(pool: Pool) -> None:
    made = Constraints(SETUP, seconds=5.0)
    found = ask("a", "b", "a", own=made)
    assert [(g.text, g.ends, g.loosened, g.job) for g in found] == [
        ("A", ("0", "[0]"), ("a.b",), ""),
        ("B", ("1", "[1]"), ("a.b",), ""),
        ("A", ("2", "[2]"), ("a.b",), ""),
    ]
    assert {(g.openings, g.opening_ids) for g in found} == {(("ab",), ((97, 98),))}
    ask("b", "a", own=made)
    assert sorted(choice for choice, _ in pool.seen) == ["a", "b"]


def test_the_least_used_are_forgotten(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constraints, "KEPT", 2)
    made = Constraints(SETUP, seconds=5.0)
    for choice in "abacab":
        ask(choice, own=made)
    assert [choice for choice, _ in pool.seen] == ["a", "b", "c", "b"]
    monkeypatch.setattr(constraints, "KEPT_BYTES", 3)
    ask("long", own=made)
    ask("long", own=made)
    assert [choice for choice, _ in pool.seen][-2:] == ["long", "long"]


def test_refusals_are_kept_and_name_the_field(pool: Pool) -> None:
    made = Constraints(SETUP, seconds=5.0)
    for _ in range(2):
        (error,) = ask("wrong", own=made)
        assert isinstance(error, RequestError)
        assert (error.status, error.param) == (400, "structured_outputs")
        assert error.message == "structured_outputs: it is wrong."
    assert len(pool.seen) == 1


@pytest.mark.parametrize(
    ("failures", "words", "tried"),
    [
        ([OutOfTime(), OutOfTime()], "more than 5 seconds", [1.0, 5.0]),
        ([OutOfMemory()], "more than 1024 MiB", [1.0]),
        ([WorkerDied()], "ended the process", [1.0]),
    ],
)
def test_what_ended_a_worker_is_not_tried_again_for_a_while(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, failures: list[Exception], words: str, tried: list[float]
) -> None:
    made = Constraints(SETUP, seconds=5.0)
    pool.raises["a"] = failures
    for _ in range(2):
        (error,) = ask("a", own=made)
        assert error.status == 400
        assert words in error.message
    assert [seconds for _, seconds in pool.seen] == tried
    now = constraints.time.monotonic() + constraints.FAILURE_KEPT
    monkeypatch.setattr(constraints.time, "monotonic", lambda: now)
    assert ask("a", own=made)[0].text == "A"


def test_a_slow_one_has_its_second_chance(pool: Pool) -> None:
    pool.raises["a"] = [OutOfTime()]
    assert ask("a")[0].text == "A"
    assert pool.seen == [("a", 1.0), ("a", 5.0)]
    pool.raises["b"] = [OutOfTime()]
    assert "0.5 seconds" in ask("b", seconds=0.5)[0].message  # as long as a quick one may take: no other way to try


def test_failures_that_are_not_the_constraints_are_not_kept(pool: Pool) -> None:
    made = Constraints(SETUP, seconds=5.0)
    pool.raises["a"] = [NotStarted(), RuntimeError("KeyError: 5")]
    first, second, third = (ask("a", own=made)[0] for _ in range(3))
    assert (first.status, first.code) == (500, "internal_error")
    assert (second.status, second.code) == (500, "plugin_error")
    assert third.text == "A"


def test_too_many_that_wait_are_refused(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constraints, "MAX_WAITING", 2)
    found = ask("a", "b", "c", "a")
    assert [getattr(g, "text", None) for g in found] == ["A", "B", None, "A"]
    assert (found[2].status, found[2].code) == (429, "queue_full")


def test_whoever_leaves_does_not_stop_it_for_others(pool: Pool) -> None:
    made = Constraints(SETUP, seconds=5.0)
    grammar = grammar_of(Constraint(kind="choice", value=["a"]), 8, Characters())
    assert grammar is not None

    async def run() -> str:
        first, second = (asyncio.create_task(made.compiled(grammar)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return (await second).text

    assert asyncio.run(run()) == "A"


def test_a_value_nested_too_deeply_is_refused_before(pool: Pool) -> None:
    value: Any = {}
    for _ in range(100_000):
        value = {"items": value}
    with pytest.raises(RequestError, match="nested too deeply") as caught:
        grammar_of(Constraint(kind="json", value=value, param="a.b"), 8, Characters())
    assert caught.value.param == "a.b"
    while value:  # from the outside in: to free it at once would take as deep a stack
        value = value.pop("items")
