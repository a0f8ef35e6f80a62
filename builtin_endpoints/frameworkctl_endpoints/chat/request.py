"""The body of a chat request."""

from __future__ import annotations

from typing import Any

from frameworkctl_endpoints.generation_fields import UNSUPPORTED, GenerationFields
from frameworkctl_endpoints.message_fields import Messages

from .reasoning import Effort
from .tools import ToolField

CHAT_UNSUPPORTED = (
    *UNSUPPORTED,
    "function_call",
    "functions",
    "mm_processor_kwargs",
    "modalities",
    "moderation",
)


class ChatRequest(GenerationFields, kw_only=True):
    """The body of ``POST /v1/chat/completions``."""

    messages: Messages
    max_completion_tokens: int | None = None
    n: int | None = 1
    logprobs: bool | None = False
    top_logprobs: int | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    add_special_tokens: bool | None = None

    tools: list[ToolField] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Effort | None = None
    include_reasoning: bool | None = None

    audio: Any = None
    prediction: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    safety_identifier: Any = None
    verbosity: Any = None
    web_search_options: Any = None

    chat_template: str | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    documents: list[dict[str, str]] | None = None

    function_call: Any = None
    functions: Any = None
    mm_processor_kwargs: Any = None
    modalities: Any = None
    moderation: Any = None

    @property
    def begins_reply(self) -> bool:
        """Return whether the prompt ends with the beginning of a reply: unless the last message is to be gone on
        with.
        """
        return not self.continue_final_message if self.add_generation_prompt is None else self.add_generation_prompt
