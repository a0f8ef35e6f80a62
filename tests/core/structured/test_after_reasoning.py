"""A constraint that begins after reasoning: wherever the marker is cut into tokens, and whatever reasoning holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from frameworkctl.interfaces import Constraint, GrammarContext
from frameworkctl.params import Grammar, SamplingParams
from frameworkctl.scheduling.constraints.masks import step_masks
from frameworkctl.scheduling.constraints.states import NO_TOKEN, Constrained
from frameworkctl.structured.matching import GuidanceCompiler
from frameworkctl.structured.plugin import prepare
from support.checkpoints.tiny import build_tokenizer
from tokenizers import AddedToken, Tokenizer

END = "</think>"
MERGED = ("<th", "</th", "ink>", ">\n\n", ">{", ">yes", ">no", " </think", "</think>", "<think>\n")
EOS = 2


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Every byte, words, and tokens in which markers are cut in unusual places."""
    made: Tokenizer = build_tokenizer()
    made.add_tokens([AddedToken(text, special=False, normalized=False) for text in MERGED])
    return made


@pytest.fixture(scope="module")
def compiler(tokenizer: Tokenizer) -> GuidanceCompiler:
    size = tokenizer.get_vocab_size()
    return GuidanceCompiler(
        GrammarContext(tokenizer=tokenizer.to_str(), vocab_size=size, eos_token_ids=[EOS], threads=1, options={})
    )


def ids_of(tokenizer: Tokenizer, pieces: Sequence[str]) -> list[int]:
    """Each piece by itself, as a token if it is one, else as bytes."""
    out: list[int] = []
    for piece in pieces:
        whole = tokenizer.token_to_id(piece)
        out += tokenizer.encode(piece, add_special_tokens=False).ids if whole is None else [whole]
    return out


class Output:
    """One constrained output, token by token."""

    def __init__(self, compiler: GuidanceCompiler, tokenizer: Tokenizer, openings: Sequence[str] = ()) -> None:
        self.tokenizer, self.compiler = tokenizer, compiler
        ids = tuple(tuple(tokenizer.encode(o, add_special_tokens=False).ids) for o in openings)
        text = prepare(Constraint(kind="choice", value=["yes", "no"])).text
        grammar = Grammar(text, "choice", (END,), tuple(openings), ids)
        params = SamplingParams(max_tokens=50, eos_token_ids=(EOS,), grammar=grammar)
        self.constrained = Constrained(compiler.compile(text), params, compiler)

    def say(self, *pieces: str) -> str | None:
        for token in ids_of(self.tokenizer, pieces):
            if (why := self.constrained.advance(token)) is not None:
                return why
        return None

    def may_say(self, *pieces: str) -> bool:
        """Return whether the mask has the first token of the pieces."""
        token = ids_of(self.tokenizer, pieces)[0] if pieces[0] else EOS

        class Held:
            id, constrained = 1, self.constrained

        masks, _ = step_masks([Held()], self.compiler, self.tokenizer.get_vocab_size())  # type: ignore[list-item]
        assert masks is not None
        return bool(masks.bits.view(np.uint32)[0, token // 32] >> (token % 32) & 1)


CUTS = [("</think>",), ("</th", "ink>"), tuple(END), ("</", "think>"), ("<", "/", "th", "ink>"), (" </think", ">")]


@pytest.mark.parametrize("cut", CUTS, ids="|".join)
@pytest.mark.parametrize("thought", ["", "no </th", "{<think> </thin", "é <", "<|eos|"])
def test_however_the_end_is_cut(
    compiler: GuidanceCompiler, tokenizer: Tokenizer, cut: Sequence[str], thought: str
) -> None:
    output = Output(compiler, tokenizer)
    assert output.say(*thought) is None
    assert not output.may_say("")
    assert output.may_say("{")
    assert output.say(*cut) is None
    assert output.constrained.state == "active"
    assert not output.may_say("{")
    assert output.may_say("y")
    assert output.say(*"yes") is None
    assert output.may_say("")


def test_white_space_between_the_two_is_nobodys(compiler: GuidanceCompiler, tokenizer: Tokenizer) -> None:
    for pieces in ((END, "\n", "\n"), ("</", "think", ">\n\n"), (END,)):
        output = Output(compiler, tokenizer)
        assert output.say("hm", *pieces) is None
        assert not output.may_say("\n")
        assert output.say(*"no") is None
        assert output.say("\n") == NO_TOKEN


def test_no_token_runs_past_the_end(compiler: GuidanceCompiler, tokenizer: Tokenizer) -> None:
    """The constraint could not have a say in what such a token goes on with."""
    output = Output(compiler, tokenizer)
    assert all(output.may_say(token) for token in (">{", ">yes", "ink>", ">\n\n"))
    assert output.say(*"</think") is None
    assert not any(output.may_say(token) for token in (">{", ">yes", ">no"))
    assert all(output.may_say(token) for token in (">", ">\n\n", "ink>", "x"))
    assert output.say(">{") == NO_TOKEN


def test_an_answer_without_reasoning_is_constrained_at_once(compiler: GuidanceCompiler, tokenizer: Tokenizer) -> None:
    output = Output(compiler, tokenizer, ["<think>", "[THINK]"])
    assert output.may_say("y")
    assert output.may_say("[")
    assert not output.may_say("h")
    assert output.say("y") is None
    assert not output.may_say("<")
    assert output.say(*"es") is None
    assert output.may_say("")
    assert Output(compiler, tokenizer, ["<think>"]).say(*"hello") == NO_TOKEN


@pytest.mark.parametrize("opening", [("<th", "ink>"), tuple("<think>"), ("<think>\n",), ("\n", "<th", "ink>")])
def test_however_the_opening_is_cut(compiler: GuidanceCompiler, tokenizer: Tokenizer, opening: Sequence[str]) -> None:
    output = Output(compiler, tokenizer, ["<think>"])
    assert output.say(*opening) is None
    assert output.constrained.state == "waiting"
    assert output.say(*"yes", END, *"no") is None
    assert output.may_say("")


def test_a_beginning_that_could_be_both_is_decided_later(compiler: GuidanceCompiler, tokenizer: Tokenizer) -> None:
    both = Output(compiler, tokenizer, ["yes, but: "])
    assert both.say(*"yes") is None
    assert both.may_say("")
    assert both.say(*", but: no", END, *"no") is None
    assert both.may_say("")
    assert Output(compiler, tokenizer, ["yes, but: "]).say(*"yes, and") == NO_TOKEN


def test_an_end_that_was_forced_too_early_is_an_error(compiler: GuidanceCompiler, tokenizer: Tokenizer) -> None:
    """As logits processors can do, which come after the mask."""
    output = Output(compiler, tokenizer, ["<think>"])
    assert output.constrained.advance(EOS, ends=True) == NO_TOKEN
    for text, why in (("<think>hm", NO_TOKEN), (END, NO_TOKEN), ("ye", NO_TOKEN), ("s", None)):
        assert output.say(*text) is None
        assert output.constrained.advance(EOS, ends=True) == why


def test_ids_that_pad_the_vocabulary_have_no_bytes(tokenizer: Tokenizer, compiler: GuidanceCompiler) -> None:
    """A model's table of embeddings is often larger than its tokenizer."""
    size = tokenizer.get_vocab_size()
    padded = GuidanceCompiler(
        GrammarContext(tokenizer=tokenizer.to_str(), vocab_size=size + 50, eos_token_ids=[EOS], threads=1, options={})
    )
    assert padded.token_bytes(size + 7) == b""
    assert [padded.token_bytes(i) for i in range(size)] == [compiler.token_bytes(i) for i in range(size)]
    assert list(padded.tokens_past(b"<")) == list(compiler.tokens_past(b"<"))
