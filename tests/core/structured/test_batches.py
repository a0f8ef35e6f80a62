"""Constrained requests in a batch: kinds, mixtures, preemption, ends, and what happens when a grammar is at fault."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.interfaces import Constraint
from frameworkctl.params import Grammar, SamplingParams
from frameworkctl.scheduling.sequence import Status
from frameworkctl.structured.plugin import prepare
from frameworkctl.testing import InProcessEngine
from tokenizers import Tokenizer

EOS = 2
EXPRESSION = 'start: e\ne: t ("+" t)*\nt: /[0-9]{1,2}/ | "(" e ")"\n'
TAG = {"triggers": ["<n>"], "structures": [{"begin": "<n>", "schema": {"enum": [1, 22]}, "end": "</n>"}]}
KINDS: dict[str, tuple[Any, str]] = {
    "regex": (r"\d{3}-[a-f]{2}/x\\", r"[0-9]{3}-[a-f]{2}/x\\"),
    "choice": (["positive", "negative", 'say "hi"\n', "好的"], 'positive|negative|say "hi"\n|好的'),
    "grammar": (
        'root ::= "SELECT " col " FROM " tab\ncol ::= "id" | "name"\ntab ::= [a-z]{2,3}\n',
        "SELECT (id|name) FROM [a-z]{2,3}",
    ),
}


@pytest.fixture(scope="module")
def folder(checkpoints: dict[str, Path]) -> Path:
    return checkpoints["llama"]


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> InProcessEngine:
    return InProcessEngine(folder)


def held(kind: Any, value: Any = None, *, after: tuple[str, ...] = (), **params: Any) -> SamplingParams:
    grammar = Grammar(prepare(Constraint(kind=kind, value=value, max_whitespace=-1)).text, kind, ends=after)
    return SamplingParams(**{"max_tokens": 60, "eos_token_ids": (EOS,), "seed": 7, "grammar": grammar, **params})


def said(tokenizer: Tokenizer, ids: list[int]) -> str:
    return tokenizer.decode([i for i in ids if i != EOS])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_outputs_match(engine: InProcessEngine, tokenizer: Tokenizer, kind: str, temperature: float) -> None:
    value, pattern = KINDS[kind]
    many = [held(kind, value, temperature=temperature, seed=i) for i in range(6)]
    outputs = engine.generate([tokenizer.encode("the lazy dog").ids] * 6, many)
    assert all(ids[-1] == EOS for ids in outputs)
    texts = [said(tokenizer, ids) for ids in outputs]
    assert all(re.fullmatch(pattern, text) for text in texts), texts
    assert temperature == 0 or len(set(texts)) > 1


def test_nested_grammars_match(engine: InProcessEngine, tokenizer: Tokenizer) -> None:
    (ids,) = engine.generate([[5, 6, 7]], held("grammar", EXPRESSION, max_tokens=30, logit_bias={EOS: 5.0}))
    text = said(tokenizer, ids)
    assert set(text) <= set("0123456789+()")
    if ids[-1] == EOS:
        assert eval(text.replace("0", "1")) >= 0  # no number begins with 0 for Python


def test_a_structural_tag_leaves_text_free_and_holds_the_region(engine: InProcessEngine, tokenizer: Tokenizer) -> None:
    matcher = engine.compiler.compile(prepare(Constraint(kind="structural_tag", value=TAG)).text)

    def accepts(text: str) -> bool:
        copy = matcher.copy()
        return all(copy.accept(i) for i in tokenizer.encode(text).ids) and copy.may_end

    assert accepts("the quick <n>22</n> fox <n>1</n>")
    assert accepts("no tag at all")
    assert not accepts("the <n>3</n>")
    assert not accepts("the <n>1")


def mixture(tokenizer: Tokenizer) -> tuple[list[list[int]], list[SamplingParams]]:
    """Plain and constrained requests with all that may come together."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", "y"]}}, "required": ["a"]}
    params = [
        SamplingParams(max_tokens=40, temperature=0.0, eos_token_ids=(EOS,)),
        held("json", schema, temperature=0.0, logprobs=2),
        held("regex", "[a-z ]{20,30}", presence_penalty=1.0, repetition_penalty=1.2),
        SamplingParams(max_tokens=40, seed=3, top_k=20, logprobs=3, eos_token_ids=(EOS,)),
        held("choice", ["positive", "negative"], temperature=0.7, top_p=0.9),
        held("grammar", EXPRESSION, min_tokens=12, seed=4),
        held("json_object", temperature=1.3, min_p=0.02),
    ]
    words = ("the quick", "brown fox", "jumps over the", "lazy dog", "and the other", "things", "there")
    return [tokenizer.encode(w * 4).ids for w in words], params


@pytest.mark.parametrize("overlap", [False, True])
def test_a_batch_says_what_each_says_alone(folder: Path, tokenizer: Tokenizer, overlap: bool) -> None:
    prompts, params = mixture(tokenizer)
    alone = InProcessEngine(folder)
    expected = [alone.generate([p], q)[0] for p, q in zip(prompts, params, strict=True)]
    assert InProcessEngine(folder, overlap=overlap).generate(prompts, params) == expected


@pytest.mark.parametrize("overlap", [False, True])
def test_preemption_changes_nothing(folder: Path, tokenizer: Tokenizer, overlap: bool) -> None:
    prompts, params = mixture(tokenizer)
    expected = InProcessEngine(folder, block_size=4).generate(prompts, params)
    small = InProcessEngine(folder, block_size=4, num_gpu_blocks_override=34, max_model_len=128, overlap=overlap)
    assert small.generate(prompts, params) == expected
    assert small.scheduler.preemptions > 0


def test_logprobs_are_of_what_the_grammar_leaves(engine: InProcessEngine) -> None:
    engine.events.clear()
    engine.generate([[5, 6, 7]], held("regex", "[ab]c", logprobs=2))
    (events,) = engine.events.values()
    first, second, end = [event.logprobs for event in events]
    assert sum(math.exp(v) for v in first[2]) == pytest.approx(1, abs=1e-5)
    assert second[0] == pytest.approx(0, abs=1e-6)
    assert end[0] == pytest.approx(0, abs=1e-6)


def test_min_tokens_holds_the_end_back_unless_nothing_else_is_left(engine: InProcessEngine) -> None:
    bias = {EOS: 100.0}
    (short,) = engine.generate([[5, 6]], held("regex", "[ab]{1,9}", logit_bias=bias))
    (longer,) = engine.generate([[5, 6]], held("regex", "[ab]{1,9}", logit_bias=bias, min_tokens=5))
    (lifted,) = engine.generate([[5, 6]], held("regex", "[ab]{3}", logit_bias=bias, min_tokens=30))
    assert (len(short), len(longer), len(lifted)) == (2, 6, 4)
    assert all(ids[-1] == EOS for ids in (short, longer, lifted))


def test_without_an_end_token_a_complete_output_stops(engine: InProcessEngine, tokenizer: Tokenizer) -> None:
    for params in (held("regex", "[ab]{3}", ignore_eos=True), held("regex", "[ab]{3}", eos_token_ids=())):
        engine.events.clear()
        (ids,) = engine.generate([[5, 6]], params)
        assert re.fullmatch("[ab]{3}", tokenizer.decode(ids))
        assert [e.reason for e in next(iter(engine.events.values()))] == [None, None, "stop"]


def test_stop_tokens_may_end_where_the_grammar_may(engine: InProcessEngine, tokenizer: Tokenizer) -> None:
    stop = tokenizer.token_to_id("Q")
    params = held("regex", "[ab]{2,5}", stop_token_ids=(stop,), logit_bias={stop: 100.0})
    (ids,) = engine.generate([[5, 6]], params)
    assert len(ids) == 3
    assert ids[-1] == stop


def test_the_constraint_may_begin_after_a_text(engine: InProcessEngine, tokenizer: Tokenizer) -> None:
    """As after a reasoning part: free until then, whatever is said."""
    never = ("fox dog",)
    (free,) = engine.generate([[5, 6]], held("choice", ["yes", "no"], after=never, max_tokens=20, ignore_eos=True))
    assert len(free) == 20
    first = engine.generate([[5, 6]], SamplingParams(max_tokens=2, temperature=0.0, ignore_eos=True))[0]
    after = (tokenizer.decode(first)[-1:],)  # ends with the second token, whatever that begins with
    (ids,) = engine.generate([[5, 6]], held("choice", ["yes", "no"], after=after, temperature=0.0))
    assert ids[:2] == first
    assert said(tokenizer, ids[2:]) in ("yes", "no")


def test_fields_that_leave_nothing_end_that_request_only(engine: InProcessEngine, tokenizer: Tokenizer) -> None:
    plain = SamplingParams(max_tokens=10, temperature=0.0, eos_token_ids=(EOS,))
    (expected,) = engine.generate([[5, 6, 7]], plain)
    engine.events.clear()
    broken = held("regex", "[ab]+", allowed_token_ids=(90, 91))
    sequences = [engine.add([5, 6, 7], params) for params in (broken, plain)]
    engine.run()
    assert all(s.status is Status.FINISHED for s in sequences)
    engine.check_idle()
    (event,) = engine.events[sequences[0].id]
    assert event.refused
    assert "leave no token" in event.error
    assert list(sequences[1].tokens[3:]) == expected


def test_a_plugin_constrains_too_and_its_failure_is_its_own(folder: Path, tokenizer: Tokenizer) -> None:
    example = Path(__file__).parents[3] / "docs" / "examples" / "engine" / "structured_output.py"
    engine = InProcessEngine(folder, plugins=[str(example)], structured_output="choices")
    spec = engine.host.registry.structured_output["choices"].spec
    grammar = Grammar(spec.prepare(Constraint(kind="choice", value=["yes please", "no"])), "choice")
    with pytest.raises(ValueError, match="only choices"):
        spec.prepare(Constraint(kind="regex", value="a"))
    params = SamplingParams(max_tokens=20, eos_token_ids=(EOS,), grammar=grammar)
    assert said(tokenizer, engine.generate([[5, 6]], params)[0]) in ("yes please", "no")

    def broken(matchers: Any, masks: Any) -> Any:
        raise RuntimeError("a mistake")

    engine.compiler.fill = broken  # type: ignore[method-assign]
    sequences = [engine.add([5, 6], p) for p in (params, SamplingParams(max_tokens=5, ignore_eos=True))]
    engine.run()
    engine.check_idle()
    assert engine.events[sequences[0].id][-1].error == "structured output failed: RuntimeError: a mistake"
    assert len(sequences[1].tokens) == 7
