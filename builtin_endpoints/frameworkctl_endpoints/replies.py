"""Parts that replies of completions and chat have in common."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from frameworkctl.interfaces import VERSION, ServedModel, Usage

FINGERPRINT = f"frameworkctl-{VERSION}"


class UsageBody(msgspec.Struct):
    """``usage`` as clients read it."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int
    prompt_tokens_details: dict[str, int]
    completion_tokens_details: dict[str, int] | msgspec.UnsetType = msgspec.UNSET


def usage_body(usage: Usage, reasoning_tokens: int | None = None) -> UsageBody:
    return UsageBody(
        usage.prompt_tokens,
        usage.total_tokens,
        usage.completion_tokens,
        {"cached_tokens": usage.cached_tokens},
        msgspec.UNSET if reasoning_tokens is None else {"reasoning_tokens": reasoning_tokens},
    )


class Head(msgspec.Struct, frozen=True):
    """The fields that all chunks of one answer share."""

    id: str
    object: str
    created: int
    model: str

    def reply(self, **rest: Any) -> dict[str, Any]:
        return {"id": self.id, "object": self.object, "created": self.created, "model": self.model, **rest}


def make_head(prefix: str, request_id: str, object_: str, model: ServedModel) -> Head:
    return Head(f"{prefix}-{request_id}", object_, int(time.time()), model.name)
