"""Texts, logprob tokens and stops are those that the reference server gave for the same tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from frameworkctl.text.detokenizer import REPLACEMENT, Detokenizer, Vocabulary
from frameworkctl.text.stop_strings import StopChecker
from tokenizers import Tokenizer


@pytest.fixture(scope="module")
def recorded(goldens: Any) -> dict[str, Vocabulary]:
    models = {answer.model for answer in goldens.choices}
    return {model: Vocabulary(Tokenizer.from_file(str(goldens.zoo / model / "tokenizer.json"))) for model in models}


def test_recorded_texts(goldens: Any, recorded: dict[str, Vocabulary]) -> None:
    """Token by token and in random pieces, the recorded tokens give the recorded text."""
    rng, checked, incomplete = random.Random(0), 0, 0
    for answer in goldens.choices:
        ids, request = answer.choice.get("token_ids"), answer.request
        if not ids or any(request.get(key) for key in ("stop", "echo", "use_beam_search", "tools")):
            continue
        if answer.choice["stop_reason"] is not None and not request.get("include_stop_str_in_output"):
            ids = ids[:-1]
        options = {
            key: request[key] for key in request if key in ("skip_special_tokens", "spaces_between_special_tokens")
        }
        for longest in (1, 3, 8):
            detokenizer, text, at = Detokenizer(recorded[answer.model], answer.prompt_ids or (), **options), "", 0
            while at < len(ids):
                size = rng.randint(1, longest)
                text += detokenizer.feed(ids[at : at + size])
                at += size
            assert text == answer.text, answer.case
        checked += 1
        incomplete += detokenizer.finish(lossy=True) != ""
    assert checked > 150
    assert incomplete >= 5


def known_tokens(goldens: Any) -> dict[tuple[str, str], list[list[int]]]:
    """Recorded tokens by model and prompt: greedy answers of the same prompt begin alike."""
    known: dict[tuple[str, str], list[list[int]]] = {}
    for answer in goldens.choices:
        if ids := answer.choice.get("token_ids"):
            known.setdefault(answer.same_prompt, []).append(ids)
    return known


def test_recorded_prompt_logprobs(goldens: Any, recorded: dict[str, Vocabulary]) -> None:
    checked = repaired = 0
    for answer in goldens.choices:
        entries, prompt = answer.choice.get("prompt_logprobs"), answer.request.get("prompt")
        if not entries or not isinstance(prompt, str):
            continue
        vocabulary = recorded[answer.model]
        ids = vocabulary.tokenizer.encode(prompt).ids
        for at, entry in enumerate(entries):
            for id, shown in (entry or {}).items():
                assert vocabulary.text_of(int(id), ids[:at]) == shown["decoded_token"], answer.case
                checked += 1
                repaired += REPLACEMENT in vocabulary.decode([int(id)], skip_special_tokens=False)
    assert checked > 1000
    assert repaired > 40


def shown_tokens(choice: dict[str, Any]) -> list[tuple[str, set[str]]]:
    """The sampled token of each position and the alternatives to it, as they were shown."""
    logprobs = choice["logprobs"]
    if "content" in logprobs:
        return [(item["token"], {top["token"] for top in item["top_logprobs"]}) for item in logprobs["content"]]
    tops = logprobs["top_logprobs"] or [{}] * len(logprobs["tokens"])
    return [(token, set(top or ())) for token, top in zip(logprobs["tokens"], tops, strict=True)]


def test_recorded_logprob_tokens(goldens: Any, recorded: dict[str, Vocabulary]) -> None:
    """Sampled tokens are shown as recorded, and the alternatives are texts that tokens have at that place."""
    known, checked, empty = known_tokens(goldens), 0, 0
    for answer in goldens.choices:
        if not answer.choice.get("logprobs") or answer.same_prompt not in known:
            continue
        request = answer.request
        if (
            request.get("use_beam_search")
            or "structured_outputs" in request
            or ("prompt" in request and request.get("echo"))
        ):
            continue
        shown, vocabulary = shown_tokens(answer.choice), recorded[answer.model]
        if shown[0][0].startswith("token_id:"):
            continue
        streams = [[vocabulary.text_of(id, ids[:at]) for at, id in enumerate(ids)] for ids in known[answer.same_prompt]]
        sampled = [token for token, _ in shown]
        matching = [
            ids for ids, texts in zip(known[answer.same_prompt], streams, strict=True) if texts[: len(shown)] == sampled
        ]
        assert matching, answer.case
        for at, (_, alternatives) in enumerate(shown):
            possible = {vocabulary.text_of(id, matching[0][:at]) for id in range(vocabulary.size)}
            assert alternatives <= possible, answer.case
        checked += 1
        empty += sampled.count("")
    assert checked >= 15
    assert empty >= 5


def stopped(answer: Any, vocabulary: Vocabulary, ids: Sequence[int]) -> tuple[str, str | None, int]:
    """Text, stop string and number of tokens when detokenizer and stop strings work together."""
    request, stop = answer.request, answer.request["stop"]
    detokenizer = Detokenizer(vocabulary, answer.prompt_ids or ())
    checker = StopChecker(
        [stop] if isinstance(stop, str) else stop,
        include_in_output=request.get("include_stop_str_in_output", False),
        min_tokens=request.get("min_tokens", 0),
    )
    text = ""
    for count, id in enumerate(ids, 1):
        delta, word = checker.push(detokenizer.feed([id]), count)
        text += delta
        if word is not None:
            return text, word, count
    return text + checker.flush(), None, len(ids)


def test_recorded_stop_strings(goldens: Any, recorded: dict[str, Vocabulary]) -> None:
    known, checked = known_tokens(goldens), 0
    for answer in goldens.choices:
        if not answer.request.get("stop") or answer.choice["stop_reason"] is None or answer.same_prompt not in known:
            continue
        ends = [stopped(answer, recorded[answer.model], ids) for ids in known[answer.same_prompt]]
        assert (answer.text, answer.choice["stop_reason"], answer.usage["completion_tokens"]) in ends, answer.case
        checked += 1
    assert checked >= 6
