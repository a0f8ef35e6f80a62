"""The names that are read, or taken without effect, in messages of a request: others are reported as unknown."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec


class PartFields(msgspec.Struct):
    """One part of a message's content. Other parts than texts and embeddings are refused by their type."""

    type: Any = None
    text: Any = None
    refusal: Any = None
    thinking: Any = None
    prompt_embeds: Any = None
    data: Any = None
    annotations: Any = None  # these four come back with an answer of this or another server
    logprobs: Any = None
    signature: Any = None
    id: Any = None
    image_url: Any = None
    input_audio: Any = None
    audio_url: Any = None
    video_url: Any = None
    file: Any = None


class MessageFields(msgspec.Struct):
    """One message. Tool calls are not looked into: templates read whatever is in them."""

    role: Any = None
    content: Annotated[Any, msgspec.Meta(extra={"fields": list[PartFields]})] = None
    name: Any = None
    tool_calls: Any = None
    tool_call_id: Any = None
    reasoning: Any = None
    reasoning_content: Any = None
    refusal: Any = None
    annotations: Any = None  # from here on: what an answer of this or another server has, and a client sends back
    audio: Any = None
    function_call: Any = None
    parsed: Any = None
    id: Any = None


Messages = Annotated[list[Any], msgspec.Meta(extra={"fields": list[MessageFields]})]
