"""The body of a completion request."""

from __future__ import annotations

from typing import Any

from frameworkctl_endpoints.generation_fields import UNSUPPORTED, GenerationFields

COMPLETIONS_UNSUPPORTED = (*UNSUPPORTED, "best_of", "suffix")


class CompletionRequest(GenerationFields, kw_only=True):
    """The body of ``POST /v1/completions``; ``prompt`` is a text, token ids, or a list of either."""

    prompt: str | list[Any] | None = None
    n: int | None = 1
    logprobs: int | bool | None = None
    add_special_tokens: bool | None = None
    best_of: Any = None
    suffix: Any = None
    prompt_embeds: str | list[str] | None = None
