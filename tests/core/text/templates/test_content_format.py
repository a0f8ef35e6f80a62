"""The content format of a template is told by reading it, by the rule of the reference server."""

from __future__ import annotations

from typing import Any

import pytest
from frameworkctl.text.templates.content_format import detect_content_format

OPENAI_STYLES = {"macros", "parts"}


def loop(target: str, over: str, body: str = "") -> str:
    return f"{{% for {target} in {over} %}}{body}{{% endfor %}}"


def macro(signature: str, body: str) -> str:
    return f"{{% macro {signature} %}}{body}{{% endmacro %}}"


def each_message(body: str) -> str:
    return loop("m", "messages", body)


PARTS = loop("c", "m.content")
ITEMS = loop("x", "xs")


def test_styles(templates: dict[str, str]) -> None:
    assert len(templates) >= 12
    for style, source in templates.items():
        assert detect_content_format(source) == ("openai" if style in OPENAI_STYLES else "string"), style


def test_recorded_models(goldens: Any) -> None:
    templates = {path.parent.name: path.read_text() for path in goldens.zoo.glob("*/chat_template.jinja")}
    found = {name for name, source in templates.items() if detect_content_format(source) == "openai"}
    assert found == {"llama-guard", "qwen2-vl", "qwen3-asr-rt"}


@pytest.mark.parametrize(
    "source",
    [
        each_message(PARTS),
        each_message(loop("c", "m['content']")),
        each_message(loop("c", "m['content'] | list")),
        each_message(loop("c", "m.content | selectattr('type') | list")),
        each_message(loop("c", "m.content[1:]")),
        each_message(loop("c", "m.content if c.type == 'text'")),
        each_message("{% if m.content is not string %}" + PARTS + "{% endif %}"),
        each_message("{% generation %}" + PARTS + "{% endgeneration %}"),
        loop("m", "messages[1:]", PARTS),
        loop("m", "messages | reverse | list", PARTS),
        "{% set turns = messages[1:] %}{% set rest = turns | list %}" + loop("m", "rest", PARTS),
        "{% if x %}{% set turns = messages %}{% endif %}" + loop("m", "turns", PARTS),
        each_message("{% set parts = m.content %}" + loop("c", "parts")),
        each_message("{% set a = m.content | list %}{% set b = a[:2] %}" + loop("c", "b")),
        each_message("{% set turn = m %}" + loop("c", "turn.content")),
        each_message("{% set content = f(m) %}" + loop("c", "content")),
        macro("show(xs)", ITEMS) + each_message("{{ show(m.content) }}"),
        macro("show(a, xs)", ITEMS) + each_message("{{ show(xs=m['content']) }}"),
        macro("show(content)", loop("x", "content")) + each_message("{{ show(m.content) }}"),
        macro("show(turn)", loop("x", "turn.content")) + each_message("{{ show(m) }}"),
        macro("show(m)", PARTS) + each_message(""),
        macro("all(turns)", loop("t", "turns", loop("x", "t.content"))) + "{{ all(messages[1:]) }}",
        macro("inner(xs)", ITEMS) + macro("outer(ys)", "{{ inner(ys) }}") + each_message("{{ outer(m.content) }}"),
    ],
)
def test_loops_over_content(source: str) -> None:
    assert detect_content_format(source) == "openai"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "{{ messages }}",
        each_message("{{ m.content }}"),
        each_message(loop("call", "m.tool_calls")),
        each_message(loop("part", "m['content_parts']")),
        each_message(loop("word", "m.content.split()")),
        each_message("{% set words = m.content.split() %}" + loop("word", "words")),
        each_message("{% set ns.parts = m.content %}") + loop("k, v", "messages"),
        loop("tool", "tools", loop("c", "tool.content")),
        loop("d", "documents", loop("k, v", "d.items()")),
        macro("show(content)", loop("x", "content")) + "{{ show(tools) }}{{ messages[0].content }}",
        macro("show(a, xs)", ITEMS) + each_message("{{ show(m.content, tools) }}"),
        macro("show(xs)", ITEMS) + each_message("{{ other(m.content) }}"),
        each_message(PARTS).removesuffix("{% endfor %}"),
        "{% unknown %}" + each_message(PARTS),
        "{{ " + "(" * 5000 + ")" * 5000 + " }}" + each_message(PARTS),
    ],
)
def test_other_templates(source: str) -> None:
    assert detect_content_format(source) == "string"
