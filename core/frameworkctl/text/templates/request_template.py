"""Chat templates that come in requests: from messages to the prompt's text, all of it in a worker process."""

from __future__ import annotations

from typing import Any

import msgspec

from frameworkctl.errors import ConfigError, RequestError

from .chat_template import ChatTemplate
from .content_format import detect_content_format
from .messages import ContentFormat, prepare_messages

FUNCTION = f"{__name__}:render"
MAX_TEXT = 16 << 20  # characters


class Rendering(msgspec.Struct, kw_only=True):
    """One template and what it is rendered with, as ``ChatTemplate`` takes it; ``content_format`` None: found out."""

    template: str
    special_tokens: dict[str, str]
    messages: list[Any]
    content_format: ContentFormat | None = None
    tools: list[dict[str, Any]] | None = None
    documents: list[dict[str, Any]] | None = None
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    kwargs: dict[str, Any] | None = None


def render(argument: Any) -> str:
    """Return the prompt's text for a ``Rendering`` as it has travelled.

    Raises:
        RequestError: 400; ``param`` is ``chat_template``, or the path of a message that is wrong.
    """
    given = msgspec.convert(argument, Rendering)
    messages = prepare_messages(
        given.messages,
        given.content_format or detect_content_format(given.template),
        developer_role="developer" in given.template,
    )
    try:
        template = ChatTemplate(given.template, special_tokens=given.special_tokens)
    except ConfigError as e:
        if isinstance(e.__cause__, MemoryError):
            raise MemoryError from None
        raise RequestError(str(e), param="chat_template", code="chat_template_error") from None
    try:
        text = template.render(
            messages,
            tools=given.tools,
            documents=given.documents,
            add_generation_prompt=given.add_generation_prompt,
            continue_final_message=given.continue_final_message,
            kwargs=given.kwargs,
        )
    except RequestError as e:
        if isinstance(e.__cause__, MemoryError):
            raise MemoryError from None
        raise RequestError(e.message, param="chat_template", code=e.code) from None
    if len(text) > MAX_TEXT:
        raise RequestError(
            f"chat_template makes a prompt of {len(text)} characters; {MAX_TEXT} are possible.",
            param="chat_template",
            code="chat_template_error",
        )
    return text
