"""Raw outputs of models and the calls that are in them, the same for every cut of the text."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.interfaces import CallArguments, CallBegin, ContentText, FunctionTool, ToolParserSpec
from frameworkctl_endpoints import tool_parsers

FOLDER = Path(__file__).parent / "tool_parsers"
FILES = sorted(FOLDER.glob("*.json"))
SAME_FORMAT = {"qwen3_xml": "qwen3_coder"}
Result = tuple[str, list[tuple[str, str]], list[str | None]]


def spec_of(name: str) -> ToolParserSpec:
    found: list[ToolParserSpec] = []
    [path] = Path(next(iter(tool_parsers.__path__))).glob(f"*/{name}.py")
    module = importlib.import_module(f"{tool_parsers.__name__}.{path.parent.name}.{name}")
    module.register_tool_parsers(found.append)
    return found[0]


def parse(spec: ToolParserSpec, pieces: Sequence[str], tools: Sequence[FunctionTool]) -> Result:
    """Content, calls and ids. An event that comes before its time would be seen in the order of the calls."""
    parser = spec.parser(tools)
    content, calls, ids = "", [], []
    for event in [*(e for piece in pieces for e in parser.feed(piece)), *parser.finish()]:
        match event:
            case ContentText(text=text):
                content += text
            case CallBegin(name=name, id=id):
                calls.append((name, ""))
                ids.append(id)
            case CallArguments(text=text):
                calls[-1] = (calls[-1][0], calls[-1][1] + text)
    return content, calls, ids


def cases() -> Iterator[Any]:
    for name in [*(f.stem for f in FILES), *SAME_FORMAT]:
        data = json.loads((FOLDER / f"{SAME_FORMAT.get(name, name)}.json").read_text(encoding="utf-8"))
        tools = [FunctionTool(**tool) for tool in data["tools"]]
        for case in data["cases"]:
            yield pytest.param(name, case, tools, id=f"{name}: {case['case']}")


@pytest.mark.parametrize(("name", "case", "tools"), list(cases()))
def test_calls_and_content_for_every_cut(name: str, case: dict[str, Any], tools: list[FunctionTool]) -> None:
    spec, text = spec_of(name), case["text"]
    calls = [tuple(call) for call in case["calls"]]
    want = (case["content"], calls, case.get("ids", [None] * len(calls)))
    assert parse(spec, [text], tools) == want
    assert parse(spec, list(text), tools) == want, "character by character"
    for place in range(len(text) + 1):
        assert parse(spec, [text[:place], text[place:]], tools) == want, f"cut at {place}: {text[:place]!r}"


def test_there_are_twenty_cases_for_each_parser() -> None:
    for file in FILES:
        assert len(json.loads(file.read_text(encoding="utf-8"))["cases"]) >= 20, file.name
    assert len(FILES) + len(SAME_FORMAT) == 12


@pytest.mark.parametrize("name", [*(f.stem for f in FILES), *SAME_FORMAT])
def test_arguments_come_while_the_model_writes_them(name: str) -> None:
    """Names first, then pieces; formats that need a whole call to tell it from text give it at its end."""
    spec = spec_of(name)
    data = json.loads((FOLDER / f"{SAME_FORMAT.get(name, name)}.json").read_text(encoding="utf-8"))
    case = next(c for c in data["cases"] if c["case"].startswith(("braces, brackets", "brackets and", "code with")))
    parser = spec.parser([FunctionTool(**tool) for tool in data["tools"]])
    events = [parser.feed(letter) for letter in case["text"]]
    begun = next(i for i, found in enumerate(events) if any(isinstance(e, CallBegin) for e in found))
    pieces = [e for found in events[begun:] for e in found if isinstance(e, CallArguments)]
    if "pythonic" in name:
        assert len(pieces) == 1
    else:
        assert len(pieces) > 20
        assert begun < len(case["text"]) / 2 + 30


def test_what_was_read_is_forgotten() -> None:
    """A call of a megabyte in small pieces: it must not be read again with each piece."""
    parser = spec_of("hermes").parser([])
    parser.feed('<tool_call>{"name": "save", "arguments": {"text": "')
    length = 0
    for _ in range(50_000):
        length += sum(len(e.text) for e in parser.feed("abcdefgh ijk lm nop ") if isinstance(e, CallArguments))
        assert len(parser.reader.text) < 100  # type: ignore[attr-defined]
    assert length == 1_000_000
