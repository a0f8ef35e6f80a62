"""Chat templates that come in requests: whether they may, and what becomes of one that takes too much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from frameworkctl.errors import RequestError, bad
from frameworkctl.text.templates import request_template
from frameworkctl.workers.pool import OutOfMemory, OutOfTime, WorkerDied, WorkerPool

SECONDS = 1.0  # an ordinary template takes a hundredth of that
MEMORY = 512 << 20  # bytes of address space of a worker; the interpreter itself takes about 100 MB
SET_BY_FIELDS = ("messages", "tools", "documents", "add_generation_prompt", "continue_final_message")


def template_workers() -> WorkerPool:
    return WorkerPool(memory=MEMORY, modules=(request_template.__name__,))


def requested_template(
    chat_template: str | None, template_kwargs: Mapping[str, Any] | None, *, trusted: bool
) -> tuple[str | None, dict[str, Any]]:
    """Return the template that a request brings, and the variables without it.

    Raises:
        RequestError: it may not bring one; it is no text; a variable is none of a template's.
    """
    variables, where = dict(template_kwargs or {}), "chat_template"
    if "tokenize" in variables:
        raise bad("chat_template_kwargs", "chat_template_kwargs must not contain tokenize: a prompt is always tokens.")
    for name in SET_BY_FIELDS:
        if name in variables:
            raise bad(
                f"chat_template_kwargs.{name}",
                f"chat_template_kwargs must not contain {name}: use the request's own field {name}.",
            )
    inner = variables.pop("chat_template", None)
    if not chat_template and inner is not None:
        chat_template, where = inner, "chat_template_kwargs.chat_template"
    if not chat_template:
        return None, variables
    if not trusted:
        raise RequestError(
            f"{where} is not accepted by this server: its operator has to allow it (--trust-request-chat-template).",
            param=where,
            code="request_template_not_trusted",
        )
    if not isinstance(chat_template, str):
        raise bad(where, f"{where} must be a string.")
    return chat_template, variables


def render(workers: WorkerPool, rendering: request_template.Rendering) -> str:
    """Return the prompt's text; waits for a worker. Raises RequestError 400 for whatever the template does."""
    try:
        text: str = workers.call(request_template.FUNCTION, msgspec.to_builtins(rendering), seconds=SECONDS)
    except OutOfTime:
        raise _error(f"was not rendered within {SECONDS:g} s", "chat_template_timeout") from None
    except OutOfMemory:
        raise _error(f"takes more memory than the {MEMORY >> 20} MB it may", "chat_template_memory") from None
    except WorkerDied:
        raise _error("ended the process that rendered it", "chat_template_error") from None
    except (RuntimeError, OverflowError, RecursionError) as e:
        raise _error(f"cannot be rendered: {e}", "chat_template_error") from None
    return text


def _error(what: str, code: str) -> RequestError:
    return RequestError(f"chat_template {what}.", param="chat_template", code=code)
