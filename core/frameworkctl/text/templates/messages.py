"""Chat messages of a request, checked, in the form that chat templates expect."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from frameworkctl.errors import bad

from .embed_parts import EmbedParts

log = logging.getLogger("frameworkctl.text")


class Arguments(dict[str, Any]):
    """Arguments of a call as an object, with the text that the client sent (None: it sent an object).

    A template that prints them as they are gets JSON, not Python's words for an object.
    """

    __slots__ = ("_text",)

    def __init__(self, value: Mapping[str, Any], text: str | None) -> None:
        super().__init__(value)
        self._text = text

    def __str__(self) -> str:
        return self.json_text

    @property
    def json_text(self) -> str:
        """Return the arguments as JSON text, in the client's own writing where there is one."""
        return json.dumps(self, ensure_ascii=False) if self._text is None else self._text


def with_argument_texts(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Return the messages with the arguments of their calls as JSON texts; None when there are no such calls."""
    if not any(isinstance(m.get("tool_calls"), list) for m in messages):
        return None
    return [
        {**m, "tool_calls": [_with_text(c) for c in m["tool_calls"]]} if isinstance(m.get("tool_calls"), list) else m
        for m in messages
    ]


def _with_text(call: Any) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or isinstance(arguments := function.get("arguments"), str):
        return call
    text = arguments.json_text if isinstance(arguments, Arguments) else json.dumps(arguments, ensure_ascii=False)
    return {**call, "function": {**function, "arguments": text}}


ContentFormat = Literal["string", "openai"]

TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal", "thinking": "thinking"}
MEDIA_PARTS = {
    "image_url": "image",
    "input_image": "image",
    "image_embeds": "image",
    "input_audio": "audio",
    "audio_url": "audio",
    "audio_embeds": "audio",
    "video_url": "video",
    "video_embeds": "video",
}
EMBEDS_PART = "prompt_embeds"
KNOWN_PARTS = (*TEXT_PARTS, *MEDIA_PARTS, EMBEDS_PART)


def prepare_messages(
    messages: Sequence[Any], content_format: ContentFormat, *, developer_role: bool, embeds: EmbedParts | None = None
) -> list[dict[str, Any]]:
    """Messages as a template reads them: contents as one string, or (``openai``) as a list of parts.

    ``developer_role``: whether the template knows ``developer``; otherwise such messages become system messages, and
    all system messages are joined at the front. ``embeds`` takes embeddings, whose marks then stand in the contents;
    without it there must be none.

    Raises:
        RequestError: 400 with the path of what is wrong (``messages[1].content[0].type``).
    """
    out = [_prepare(message, f"messages[{i}]", content_format, embeds) for i, message in enumerate(messages)]
    if not developer_role and any(m["role"] == "developer" for m in out):
        return _merge_system(out, content_format)
    return out


def _prepare(message: Any, path: str, content_format: ContentFormat, embeds: EmbedParts | None) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise bad(path, f"{path} must be an object with 'role' and 'content'.")
    role = message.get("role")
    if not isinstance(role, str):
        raise bad(f"{path}.role", f"{path}.role must be a string such as 'user'.")
    out: dict[str, Any] = {"role": role}
    parts = _parts(message.get("content"), f"{path}.content", embeds)
    if content_format == "openai" and role != "tool":
        out["content"] = [{"type": "text", "text": text} for text in parts]
    else:
        out["content"] = "\n".join(parts)
    if isinstance(message.get("name"), str):
        out["name"] = message["name"]
    if role == "assistant":
        _assistant(message, path, out)
    if role == "tool" and "tool_call_id" in message:
        out["tool_call_id"] = message["tool_call_id"]
    return out


def _parts(content: Any, path: str, embeds: EmbedParts | None) -> list[str]:
    """Return the texts of a content, whichever way it was written."""
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        raise bad(path, f"{path} must be a string, a list of parts or null.")
    return [_part(part, f"{path}[{i}]", embeds) for i, part in enumerate(content)]


def _part(part: Any, path: str, embeds: EmbedParts | None) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        raise bad(path, f"{path} must be an object with a 'type'.")
    kind = part.get("type") or next((k for k in part if k in KNOWN_PARTS), None)
    if kind is not None and not isinstance(kind, str):
        raise bad(f"{path}.type", f"{path}.type must be a string such as 'text'.", "invalid_type")
    if kind == EMBEDS_PART:
        return _embeds(part, path, embeds)
    if kind in MEDIA_PARTS:
        raise bad(path, f"{path}: this model does not take {MEDIA_PARTS[kind]} input.")
    if kind not in TEXT_PARTS:
        raise bad(f"{path}.type", f"{path}.type {kind!r:.80} is unknown; known types are {', '.join(KNOWN_PARTS)}.")
    text = part.get(TEXT_PARTS[kind])
    if not isinstance(text, str):
        raise bad(f"{path}.{TEXT_PARTS[kind]}", f"{path}.{TEXT_PARTS[kind]} must be a string.")
    return text


def _embeds(part: Mapping[str, Any], path: str, embeds: EmbedParts | None) -> str:
    data = part.get("data", part.get(EMBEDS_PART))
    if not isinstance(data, str):
        raise bad(f"{path}.data", f"{path}.data must be base64 of a safetensors, .npy or torch file.", "invalid_type")
    if embeds is None:
        raise bad(path, f"{path}: embeddings are not possible here.", "unsupported_parameter")
    return embeds.mark(path, data)


def _assistant(message: Mapping[str, Any], path: str, out: dict[str, Any]) -> None:
    """Copy the fields that only assistants have: earlier tool calls, reasoning, refusals."""
    calls = message.get("tool_calls")
    if calls:
        if not isinstance(calls, list):
            raise bad(f"{path}.tool_calls", f"{path}.tool_calls must be a list.")
        out["tool_calls"] = [_tool_call(call, f"{path}.tool_calls[{i}]") for i, call in enumerate(calls)]
    reasoning = message.get("reasoning") or message.get("reasoning_content")
    if isinstance(reasoning, str):
        out["reasoning"] = out["reasoning_content"] = reasoning
    if isinstance(message.get("refusal"), str):
        out["refusal"] = message["refusal"]


def _tool_call(call: Any, path: str) -> dict[str, Any]:
    """Return a call with its arguments as an object: templates print them as JSON themselves."""
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise bad(f"{path}.function", f"{path}.function must be an object with a 'name'.")
    given = arguments = function.get("arguments")
    if isinstance(given, str):
        try:
            arguments = json.loads(given) if given else {}
        except RecursionError:
            where = f"{path}.function.arguments"
            raise bad(where, f"{where} is nested too deeply; send arguments with fewer levels.") from None
        except ValueError:
            # What a model wrote and a client sent back may be cut off; the conversation can still go on.
            log.warning("%s.function.arguments is not valid JSON; the template gets {}", path)
            arguments = {}
    if arguments is None or isinstance(arguments, Mapping):
        arguments = Arguments(arguments or {}, given if isinstance(given, str) and given else None)
    return {**call, "type": "function", "function": {**function, "arguments": arguments}}


def _merge_system(messages: list[dict[str, Any]], content_format: ContentFormat) -> list[dict[str, Any]]:
    system = [m for m in messages if m["role"] in ("system", "developer")]
    rest = [m for m in messages if m["role"] not in ("system", "developer")]
    if content_format == "openai":
        content: Any = [part for m in system for part in m["content"]]
    else:
        content = "\n\n".join(m["content"] for m in system)
    return [{"role": "system", "content": content}, *rest]
