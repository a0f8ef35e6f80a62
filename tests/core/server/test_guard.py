"""Filters in front of a sequence and behind parsers: ids pass with their text, and parsed text is filtered again."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from frameworkctl.interfaces import (
    CallArguments,
    CallBegin,
    ContentText,
    GenerateItem,
    Output,
    OutputFilter,
    Prompt,
    PromptLogprob,
    SampledLogprobs,
    SamplingParams,
    TokenLogprob,
    Work,
)
from frameworkctl.server.filters.call_filters import Guard
from frameworkctl.server.filters.sequence_filters import GuardedSequence
from frameworkctl.text.detokenizer import Detokenizer, Vocabulary
from support.checkpoints.tiny import build_tokenizer

TEXT = "the quick brown fö𝄞x jumps"


class Mask(OutputFilter):
    """Holds everything of a text until its end."""

    def __init__(self) -> None:
        self.held: dict[tuple[int, int], str] = {}

    def process(self, output: Output) -> Output:
        key = (output.item, output.index)
        text = self.held.pop(key, "") + output.text
        if output.finish_reason is None:
            self.held[key], output.text = text, ""
        else:
            output.text = text.replace("brown", "***")
        return output


class Ends(OutputFilter):
    """Ends a sequence behind its first x characters."""

    def __init__(self, count: int) -> None:
        self.left = count

    def process(self, output: Output) -> Output:
        if output.item < 0:
            return output
        output.text = output.text[: self.left]
        self.left -= len(output.text)
        if not self.left:
            output.finish_reason = "stop"
        return output


class Takes(OutputFilter):
    """Has its own mind about ids."""

    def process(self, output: Output) -> Output:
        output.token_ids = [i + 1 for i in output.token_ids]
        return output


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(build_tokenizer())


def outputs(vocabulary: Vocabulary, filters: list[OutputFilter], text: str, size: int = 1) -> list[Output]:
    """What passes of a text that comes ``size`` tokens at a time."""
    ids = vocabulary.tokenizer.encode(text).ids
    item = GenerateItem(prompt=Prompt([5, 6, 7]), params=SamplingParams(max_tokens=99, logprobs=1))
    sequence = GuardedSequence(Guard(lambda: filters, vocabulary), item, 0, 0)
    detokenizer, passed = Detokenizer(vocabulary, [5, 6, 7]), []
    for at in range(0, len(ids), size):
        piece = ids[at : at + size]
        entries = [SampledLogprobs(TokenLogprob(i, vocabulary.text_of(i), -1.0), ()) for i in piece]
        last = "length" if at + size >= len(ids) else None
        output = Output(
            item=0,
            index=0,
            text=detokenizer.feed(piece),
            token_ids=piece,
            logprobs=entries,
            finish_reason=last,  # type: ignore[arg-type]
        )
        passed.append(sequence.pass_on(output))
        if passed[-1].finish_reason is not None:
            break
    return passed


def ids_of(passed: list[Output]) -> list[int]:
    assert all(len(o.token_ids) == len(o.logprobs or ()) for o in passed)
    return [i for o in passed for i in o.token_ids]


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_what_is_held_back_holds_its_ids_back(vocabulary: Vocabulary, size: int) -> None:
    text = TEXT.replace("brown ", "")
    passed = outputs(vocabulary, [Mask()], text, size)
    assert [o.text for o in passed] == [""] * (len(passed) - 1) + [text]
    assert not ids_of(passed[:-1])
    assert ids_of(passed) == vocabulary.tokenizer.encode(text).ids


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_what_is_changed_has_no_ids(vocabulary: Vocabulary, size: int) -> None:
    passed = outputs(vocabulary, [Mask()], TEXT, size)
    assert "".join(o.text for o in passed) == TEXT.replace("brown", "***")
    assert ids_of(passed) == []


@pytest.mark.parametrize("count", [1, 4, 9, 17, 18, 19])
def test_what_a_filter_ends_has_the_ids_of_what_was_shown(vocabulary: Vocabulary, count: int) -> None:
    """Text that the last output has beyond the end is a change; what came before is not."""
    passed = outputs(vocabulary, [Ends(count)], TEXT)
    assert "".join(o.text for o in passed) == TEXT[:count]
    assert TEXT.startswith(vocabulary.decode(ids_of(passed)).rstrip("\ufffd"))
    assert len(vocabulary.decode(ids_of(passed))) <= count


def test_ids_that_a_filter_makes_up_do_not_pass(vocabulary: Vocabulary) -> None:
    passed = outputs(vocabulary, [Takes()], TEXT)
    assert "".join(o.text for o in passed) == TEXT
    assert ids_of(passed) == []


def test_filters_run_one_behind_the_other(vocabulary: Vocabulary) -> None:
    passed = outputs(vocabulary, [Mask(), Ends(12)], TEXT)
    assert "".join(o.text for o in passed) == "the quick **"
    assert ids_of(passed) == []


class Knows(OutputFilter):
    """Looks for a word with what stands before it."""

    def __init__(self) -> None:
        self.before: dict[tuple[int, int], str] = {}

    def begin(self, item: int, index: int, context: str) -> None:
        self.before[item, index] = context

    def process(self, output: Output) -> Output:
        before = self.before.pop((output.item, output.index), "")
        if "brown" in before + output.text and "brown" not in before:
            output.text = "***"
        return output


def logprob(vocabulary: Vocabulary, text: str) -> TokenLogprob:
    (id_,) = vocabulary.tokenizer.encode(text).ids
    return TokenLogprob(id_, text, -1.0)


def test_alternatives_that_would_complete_a_word_are_left_out(vocabulary: Vocabulary) -> None:
    first, second = logprob(vocabulary, " br"), logprob(vocabulary, "e")
    whole, rest, other = (logprob(vocabulary, text) for text in (" brown", "own", "x"))
    entries = [SampledLogprobs(first, (whole, other, rest)), SampledLogprobs(second, (rest, other))]
    output = Output(
        item=0,
        index=0,
        text=" bre",
        token_ids=[first.token_id, second.token_id],
        logprobs=entries,
        finish_reason="length",
    )
    item = GenerateItem(prompt=Prompt([5]), params=SamplingParams(max_tokens=9, logprobs=2))
    passed = GuardedSequence(Guard(lambda: [Knows()], vocabulary), item, 0, 0).pass_on(output)
    assert passed.logprobs == [SampledLogprobs(first, (other, rest)), SampledLogprobs(second, (other,))]


def test_prompts_are_shown_as_filters_let_them(vocabulary: Vocabulary) -> None:
    params = SamplingParams(max_tokens=9, prompt_logprobs=1)
    clean, dirty = ("the quick fox", "the brown fox")
    prompts = [Prompt(vocabulary.tokenizer.encode(text).ids, text) for text in (clean, dirty)]
    items = [GenerateItem(prompt=prompt, params=params) for prompt in prompts]
    guard = Guard(lambda: [Mask()], vocabulary)
    shown = [item.prompt for item in guard.work(Work(items=items)).items]
    assert shown == [prompts[0], Prompt([], "the *** fox")]
    token, secret = logprob(vocabulary, "x"), logprob(vocabulary, " brown")
    entries = [PromptLogprob(token, 1, (token, secret))]
    assert guard.prompt_logprobs(items[0], entries) == [PromptLogprob(token, 1, (token,))]
    assert guard.prompt_logprobs(items[1], entries) is None


class Marks:
    """A tool parser whose markers are < and >: what is between them are arguments of a call."""

    inside = False

    def feed(self, text: str) -> list[Any]:
        events: list[Any] = []
        for character in text:
            if character in "<>":
                self.inside = character == "<"
                events += [CallBegin("brown")] if self.inside else []
            else:
                events.append((CallArguments if self.inside else ContentText)(character))
        return events

    def finish(self) -> list[Any]:
        return []

    def new_id(self) -> str:
        return "id"


def masks() -> list[OutputFilter]:
    return [Mask()]


def joined(events: list[Any]) -> tuple[str, list[tuple[str, str]]]:
    content, calls = "", list[tuple[str, str]]()
    for event in events:
        match event:
            case ContentText(text):
                content += text
            case CallBegin(name, _):
                calls.append((name, ""))
            case CallArguments(text):
                calls[-1] = (calls[-1][0], calls[-1][1] + text)
    return content, calls


def test_text_that_a_parser_brings_together_is_filtered(vocabulary: Vocabulary) -> None:
    text = "a bro<x brown y>wn b<bro>c<wn>d"
    for cuts in itertools.combinations(range(1, len(text)), 2):
        parser = Guard(masks, vocabulary).tool_parser(Marks())  # type: ignore[arg-type]
        pieces = [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]
        events = [event for piece in pieces for event in parser.feed(piece)]
        content, calls = joined([*events, *parser.finish()])
        assert content == "a *** bcd"
        assert calls == [("***", "x *** y"), ("***", "bro"), ("***", "wn")]


def test_without_filters_nothing_stands_between(vocabulary: Vocabulary) -> None:
    guard, parser = Guard(list, vocabulary), Marks()
    assert guard.tool_parser(parser) is parser  # type: ignore[arg-type,comparison-overlap]
    assert guard.text("brown") == "brown"
