"""The inputs of a pooling request: a text, token ids, a conversation, or many of one kind; and their prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from frameworkctl.interfaces import Call, Prompt, ServedModel, bad

from frameworkctl_endpoints.message_fields import MessageFields

from .fields import PoolingFields, check_count, check_pooling_fields
from .prefixes import with_prefix
from .vectors import EmbedDtype, Endianness

Conversation = list[dict[str, Any]]
Input = str | list[str | int | list[int | dict[str, Any]] | dict[str, Any]]
FORMS = "a text, token ids, messages, or a list of texts, of lists of token ids or of conversations"


class InputFields(PoolingFields, kw_only=True):
    """``input`` or ``messages``, and how they become prompts."""

    input: Input | None = None
    messages: Annotated[
        list[dict[str, Any] | Conversation] | None, msgspec.Meta(extra={"fields": list[MessageFields]})
    ] = None
    padding: str | None = None
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    chat_template: str | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    media_io_kwargs: Any = None


class VectorFields(InputFields, kw_only=True):
    """Fields that choose vectors and their encoding. ``normalize`` is an older name of ``use_activation``."""

    encoding_format: Literal["float", "base64", "bytes", "bytes_only"] | None = None
    embed_dtype: EmbedDtype | None = None
    endianness: Endianness | None = None
    dimensions: int | None = None
    input_type: str | None = None
    normalize: bool | None = None


def check_input_fields(request: InputFields, call: Call) -> None:
    """Raise RequestError 400 naming the field."""
    check_pooling_fields(request, call)
    if (request.input is None) == (request.messages is None):
        raise bad("input", f"Send either input ({FORMS}) or messages (a conversation, or a list of them).")
    if request.padding not in (None, "max_length", "do_not_pad"):
        raise bad("padding", f"padding must be 'max_length' or 'do_not_pad', got {request.padding!r:.80}.")
    if request.add_generation_prompt and request.continue_final_message:
        raise bad("continue_final_message", "continue_final_message and add_generation_prompt cannot both be true.")


def brings_template(request: InputFields) -> bool:
    """Implement ``Endpoint.waits``."""
    return bool(request.chat_template) or "chat_template" in (request.chat_template_kwargs or ())


def prompts(request: InputFields, model: ServedModel) -> list[Prompt]:
    """Return the prompts in the order of the request. Raises RequestError naming the input at fault."""
    found = conversations(request)
    made = encoded(texts_or_ids(request), request, model) if found is None else rendered(found, request, model)
    return padded(made, request, model)


def padded(made: list[Prompt], request: InputFields, model: ServedModel, most: int | None = None) -> list[Prompt]:
    """Return where the request wants padding, all of one length: what they were to be cut to, else ``most``, else the
    context.

    Raises RequestError 400 where the tokenizer has no token for it.
    """
    if request.padding != "max_length":
        return made
    length, given = request.truncate_prompt_tokens or most, [prompt.token_ids for prompt in made]
    return model.encode_batch(given, truncate=length, padding=True, param=param_of(request))


def param_of(request: InputFields) -> str:
    """Return the field that has what is to be pooled."""
    return "messages" if request.input is None else "input"


def conversations(request: InputFields) -> list[Conversation] | None:
    """None where the request has texts or token ids. Raises RequestError 400 for an empty or mixed list."""
    param = param_of(request)
    given: Any = request.messages if request.input is None else request.input
    if isinstance(given, str):
        return None
    kinds = set(map(type, given))
    if kinds != {int}:  # of one text, not texts
        check_count(given, param)
    if kinds == {list}:
        kinds = {type(x) for inner in given for x in inner}
        if kinds == {dict}:
            return list(given)
        if not kinds and param == "messages":
            raise bad(param, "messages must not be empty.")
        if kinds <= {int}:
            return None
    elif kinds == {dict}:
        nameless = next((i for i, message in enumerate(given) if "role" not in message), None)
        if nameless is not None:
            raise bad(
                f"{param}[{nameless}]", f"{param}[{nameless}] is an object without a role: {param} must be {FORMS}."
            )
        return [given]
    elif kinds in ({str}, {int}):
        return None
    raise bad(param, f"{param} must be {FORMS}: not different things in one list.", "invalid_type")


def texts_or_ids(request: InputFields, prefix: str = "") -> Sequence[str | Sequence[int]]:
    """Return the prompts of a request without conversations, with ``prefix`` before each text."""
    given: Any = request.input
    if isinstance(given, str):
        return [prefix + given]
    if isinstance(given[0], str):
        return with_prefix(given, prefix)
    if prefix:
        raise bad("input_type", "input_type is for texts: token ids are taken as they are.")
    return [given] if isinstance(given[0], int) else given


def rendered(found: list[Conversation], request: InputFields, model: ServedModel) -> list[Prompt]:
    return [_rendered(conversation, request, model) for conversation in found]


def encoded(given: Sequence[str | Sequence[int]], request: InputFields, model: ServedModel) -> list[Prompt]:
    return model.encode_batch(
        given,
        add_special_tokens=request.add_special_tokens is not False,
        truncate=request.truncate_prompt_tokens,
        truncation_side=request.truncation_side,
        param="input",
    )


def _rendered(conversation: Conversation, request: InputFields, model: ServedModel) -> Prompt:
    return model.render_chat(
        conversation,
        add_generation_prompt=bool(request.add_generation_prompt),
        continue_final_message=bool(request.continue_final_message),
        template_kwargs=request.chat_template_kwargs,
        chat_template=request.chat_template,
        add_special_tokens=bool(request.add_special_tokens),
        truncate=request.truncate_prompt_tokens,
        truncation_side=request.truncation_side,
    )
