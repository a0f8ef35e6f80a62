"""A step that raises ends its own requests and leaves nothing behind: those that come after are answered as ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from frameworkctl.interfaces import Constraint, PoolParams
from frameworkctl.params import Grammar, SamplingParams
from frameworkctl.structured.plugin import prepare
from frameworkctl.testing import InProcessEngine
from support.checkpoints.encoders import make_encoder
from support.engine.faulty_steps import Faults, LoopEngine, places

PLAIN = SamplingParams(max_tokens=4, temperature=0.0, ignore_eos=True)
# Between them they use every part of a step.
KINDS: list[SamplingParams] = [
    SamplingParams(max_tokens=9, temperature=0.0, ignore_eos=True),
    SamplingParams(max_tokens=8, temperature=0.9, top_k=5, top_p=0.9, min_p=0.01, logprobs=2, ignore_eos=True),
    SamplingParams(max_tokens=7, temperature=0.7, repetition_penalty=1.2, presence_penalty=0.5, ignore_eos=True),
    SamplingParams(max_tokens=6, temperature=0.0, prompt_logprobs=2, logit_bias={7: -5.0}, ignore_eos=True),
    SamplingParams(
        max_tokens=6,
        temperature=0.0,
        allowed_token_ids=(7, 8, 9),
        bad_words=((7, 8), (9,)),
        min_tokens=2,
        stop_token_ids=(8,),
        eos_token_ids=(2,),
    ),
]
EMBED = PoolParams("embed", activate=False)
TOKENS = PoolParams("token_embed", activate=False)
SPECULATIVE = {"speculative_config": {"method": "ngram", "num_speculative_tokens": 3, "prompt_lookup_min": 1}}
FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "overlap": {"overlap": True},
    "recorded": {"enforce_eager": False},
    "speculation": SPECULATIVE,
    "pooling": {"convert": "embed"},
    "encoder": {},
}
# Operations that a form has no use for.
UNUSED = {
    "plain": {"batch.write_accepted", "accepted"},
    "overlap": {"batch.write_accepted", "accepted"},
    "recorded": {"batch.write_accepted", "accepted"},
    "speculation": set(),
    "pooling": set(),
    "encoder": {"pooler.forget"},
}


def make(folder: Path, form: str) -> LoopEngine:
    options = dict(FORMS[form])
    overlap = options.pop("overlap", False)
    options.setdefault("enforce_eager", True)
    # The budget of a step is below the number of sequences: some run that are not in the step that fails.
    budget = {} if form == "encoder" else {"max_num_batched_tokens": 11, "block_size": 8}
    engine = InProcessEngine(folder, max_model_len=96, max_num_seqs=12, **budget, **options)
    return LoopEngine(engine, overlap=overlap)


def ask_for_all(made: LoopEngine) -> int:
    """Run requests of every kind to their ends; return how many."""
    if made.engine.pooling is not None:
        made.ask(made.prompts(1, 5), EMBED)
        made.ask(made.prompts(2, 3), TOKENS)
        made.run()
        return 8
    for place, params in enumerate(KINDS):
        made.ask(made.prompts(place, 2), params)
    made.ask([[5, 6, 7, 5, 6, 7, 5, 6]], KINDS[0])
    text = prepare(Constraint(kind="choice", value=["yes", "no"])).text
    made.ask(
        [[9, 8]], SamplingParams(max_tokens=9, temperature=0.0, grammar=Grammar(text, "choice"), eos_token_ids=(2,))
    )
    made.run()
    return 2 * len(KINDS) + 2


def plain(made: LoopEngine) -> list[Any]:
    """The answers to ten requests that need nothing special."""
    pools = made.engine.pooling is not None
    ids = made.ask(made.prompts(99, 10), EMBED if pools else PLAIN)
    made.run()
    assert [made.ends[i, 0] for i in ids] == ["stop" if pools else "length"] * 10
    return [(made.vectors if pools else made.tokens)[i, 0] for i in ids]


SLOW = [pytest.param(form, True, marks=pytest.mark.slow) for form in FORMS]


@pytest.mark.parametrize(("form", "thorough"), [("overlap", False), ("pooling", False), ("encoder", False), *SLOW])
def test_a_fault_at_any_operation(
    form: str, thorough: bool, checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault before the first call, and one after another call; of these two by turns, unless thorough."""
    folder = checkpoints["llama"]
    if form == "encoder":
        make_encoder("Bert", "Model", folder := tmp_path)
    wanted = plain(make(folder, form))
    made = make(folder, form)
    faults = Faults(places(made), monkeypatch.setattr)
    requests = ask_for_all(made)
    counts = dict(faults.calls)
    names = {label for _, _, label in places(made)}
    assert names - set(counts) <= UNUSED[form], "an operation that nothing uses shows nothing"
    fired = 0
    for place, (operation, calls) in enumerate(sorted(counts.items())):
        ways = [(1, False), (calls // 2 + 1, True)]
        for call, after in ways if thorough else [ways[place % 2]]:
            before = len(made.ends)
            faults.arm(operation, call, after=after)
            ask_for_all(made)
            fired += faults.disarm()
            assert len(made.ends) - before == requests, (operation, "every sequence has one end")
            made.check_idle()
            assert plain(made) == wanted, (operation, call, after)
            made.check_idle()
    assert fired >= len(counts) * (2 if thorough else 1) * 0.9
