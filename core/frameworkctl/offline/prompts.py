"""The forms that prompts and conversations come in, as fields of requests."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from frameworkctl.errors import bad

_FORMS = ("prompt", "prompt_token_ids", "prompt_embeds")
_BESIDE = {"cache_salt"}  # what a dict may say besides the prompt


def prompt_list(prompts: Any) -> list[Any]:
    """Return one prompt (text, token ids, dict) or a list of them, as a list."""
    if isinstance(prompts, (str, Mapping)):
        return [prompts]
    items = list(prompts)
    if items and all(type(i) is int for i in items):
        return [items]
    return items


def prompt_fields(prompt: Any, where: str) -> dict[str, Any]:
    """Fields of a completion request. Raises RequestError naming ``where``."""
    if isinstance(prompt, str):
        return {"prompt": prompt}
    if isinstance(prompt, Mapping):
        return _dict_fields(prompt, where)
    if isinstance(prompt, Sequence) and all(type(i) is int for i in prompt):
        return {"prompt": list(prompt)}
    raise bad(where, f"{where} must be a text, a list of token ids, or a dict with {', '.join(_FORMS)}.")


def _dict_fields(prompt: Mapping[str, Any], where: str) -> dict[str, Any]:
    given = {k: v for k, v in prompt.items() if v is not None}
    unknown = next((k for k in given if k not in _FORMS and k not in _BESIDE), None)
    if unknown is not None:
        raise bad(f"{where}.{unknown}", f"{where}: {unknown!r} is not supported.")
    fields = {k: v for k, v in given.items() if k in _BESIDE}
    if "prompt_token_ids" in given:
        return {**fields, "prompt": list(given["prompt_token_ids"])}
    if "prompt_embeds" in given:
        return {**fields, "prompt_embeds": _packed(given["prompt_embeds"])}
    if isinstance(given.get("prompt"), str):
        return {**fields, "prompt": given["prompt"]}
    raise bad(where, f"{where} must have a {' or '.join(_FORMS)}.")


def _packed(embeds: Any) -> str:
    """Return a tensor or array ``[tokens, hidden]`` as base64 of a safetensors file."""
    from safetensors.numpy import save

    array = embeds.detach().float().cpu().numpy() if hasattr(embeds, "detach") else embeds
    return base64.b64encode(save({"prompt_embeds": array})).decode()


def conversations(messages: Sequence[Any]) -> list[list[Any]]:
    """Return one conversation (a list of messages) or a list of them, as a list."""
    items = list(messages)
    if items and isinstance(items[0], Mapping):
        return [items]
    return [list(c) for c in items]
