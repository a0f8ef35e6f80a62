"""Raw outputs of models and the reasoning in them, the same for every cut of the text."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.interfaces import ReasoningContext, ReasoningParserSpec, ReasoningText

FOLDER = Path(__file__).parent / "reasoning_parsers"
SAME_FORMAT = {"glm45": "qwen3"}
NAMES = [*sorted(f.stem for f in FOLDER.glob("*.json")), *SAME_FORMAT]


def read(name: str) -> list[dict[str, Any]]:
    return json.loads((FOLDER / f"{SAME_FORMAT.get(name, name)}.json").read_text(encoding="utf-8"))


CASES = [pytest.param(name, case, id=f"{name}: {case['case']}") for name in NAMES for case in read(name)]


def spec_of(name: str) -> ReasoningParserSpec:
    found: list[ReasoningParserSpec] = []
    module = importlib.import_module(f"frameworkctl_endpoints.reasoning_parsers.{name}")
    module.register_reasoning_parsers(found.append)
    return found[0]


def parse(spec: ReasoningParserSpec, context: ReasoningContext, pieces: Sequence[str]) -> tuple[str, str]:
    parser = spec.parser(context)
    found = [*(e for piece in pieces for e in parser.feed(piece)), *parser.finish()]
    reasoning = "".join(e.text for e in found if isinstance(e, ReasoningText))
    return reasoning, "".join(e.text for e in found if not isinstance(e, ReasoningText))


@pytest.mark.parametrize(("name", "case"), CASES)
def test_reasoning_and_content_for_every_cut(name: str, case: dict[str, Any]) -> None:
    spec, text = spec_of(name), case["text"]
    context = ReasoningContext(
        prompt=case.get("prompt", ""),
        template_kwargs=case.get("template_kwargs", {}),
        prefill=case.get("prefill"),
        constrained=case.get("constrained", False),
    )
    want = (case["reasoning"], case["content"])
    assert parse(spec, context, [text]) == want
    assert parse(spec, context, list(text)) == want, "character by character"
    for place in range(len(text) + 1):
        assert parse(spec, context, [text[:place], text[place:]]) == want, f"cut at {place}: {text[:place]!r}"


def test_there_are_twenty_cases_for_each_parser() -> None:
    assert len(NAMES) == 6
    assert all(len(read(name)) >= 20 for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_knows_whether_an_output_begins_with_reasoning(name: str) -> None:
    """A constraint waits for the end of reasoning only where there will be one."""
    spec = spec_of(name)
    usual = name in ("deepseek_r1", "qwen3", "glm45")
    assert spec.reasons(ReasoningContext()) is usual
    assert not spec.reasons(ReasoningContext(prompt=f"so {spec.end}\n\n"))
    assert not spec.reasons(ReasoningContext(template_kwargs={"enable_thinking": False}))


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_knows_whether_reasoning_may_come_before_a_demanded_answer(name: str) -> None:
    spec = spec_of(name)
    assert spec.may_begin is not None
    assert spec.may_begin(ReasoningContext())
    for end in spec.ends:
        assert not spec.may_begin(ReasoningContext(prompt=f"so {end}\n\n"))
    assert not spec.may_begin(ReasoningContext(prefill="So"))
    assert not spec.may_begin(ReasoningContext(template_kwargs={"thinking": False}))
    for start in spec.starts:
        assert spec.opened is not None
        assert spec.opened(ReasoningContext(prompt=f"so {start}\n"))
        assert spec.opened(ReasoningContext(prefill=f"a {spec.end} b {start} c"))
        assert parse(spec, ReasoningContext(constrained=True), [f"{start}hm{spec.ends[-1]}Hi."]) == ("hm", "Hi.")
