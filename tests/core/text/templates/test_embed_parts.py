"""Marks of embeddings in what chat templates make of a conversation."""

from __future__ import annotations

from typing import Any

import pytest
from frameworkctl.errors import RequestError
from frameworkctl.text.templates.chat_template import ChatTemplate
from frameworkctl.text.templates.embed_parts import EmbedParts
from frameworkctl.text.templates.messages import prepare_messages

ONE, OTHER = {"type": "prompt_embeds", "data": "QUE="}, {"prompt_embeds": "QkI="}
MESSAGES = [{"role": "user", "content": ["a", ONE]}, {"role": "user", "content": [OTHER, "b"]}]
EACH = "{% for m in messages %}<{{ m.content }}>{% endfor %}"


def cut(template: str, messages: Any = MESSAGES, content_format: Any = "string") -> tuple[list[str], list[int]]:
    parts = EmbedParts()
    prepared = prepare_messages(messages, content_format, developer_role=False, embeds=parts)
    assert parts.found == [("messages[0].content[1]", "QUE="), ("messages[1].content[0]", "QkI=")]
    return parts.cut(ChatTemplate(template, special_tokens={}).render(prepared))


def test_the_texts_around_them_and_their_order() -> None:
    assert cut(EACH) == (["<a\n", "><", "\nb>"], [0, 1])
    assert cut(EACH.replace("messages", "messages | reverse")) == (["<", "\nb><a\n", ">"], [1, 0])
    by_parts = "{% for m in messages %}{% for p in m.content %}[{{ p.text | trim }}]{% endfor %}{% endfor %}"
    assert cut(by_parts, content_format="openai") == (["[a][", "][", "][b]"], [0, 1])


@pytest.mark.parametrize(
    ("template", "path"),
    [("{{ messages[0].content }}", "messages[1].content[0]"), (EACH + EACH, "messages[0].content[1]")],
)
def test_a_template_that_loses_or_repeats_one_is_told(template: str, path: str) -> None:
    with pytest.raises(RequestError) as error:
        cut(template)
    assert (error.value.status, error.value.param) == (400, path)


def test_where_none_can_be_taken() -> None:
    with pytest.raises(RequestError) as error:
        prepare_messages(MESSAGES, "string", developer_role=False)
    assert error.value.param == "messages[0].content[1]"
