"""Prompts that come as embeddings: taken from a request, read by the engine, and how they travel."""

from __future__ import annotations

import base64
import binascii
import hashlib
from array import array

from frameworkctl.errors import RequestError, bad
from frameworkctl.interfaces.requests.prompts import Prompt, PromptEmbeds
from frameworkctl.text.templates.embed_parts import EmbedParts

from .view import ModelView

IN_PLACE = -1  # the id that travels where an embedding stands


def embeds_prompt(model: ModelView, data: str, param: str) -> Prompt:
    """Implement ``ServedModel.embeds_prompt``."""
    if not model.settings.enable_prompt_embeds:
        raise RequestError(
            f"{param} is not accepted by this server: its operator has to allow it (--enable-prompt-embeds).",
            param=param,
            code="prompt_embeds_not_enabled",
        )
    try:
        file = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise bad(param, f"{param} must be base64 of a safetensors, .npy or torch file.") from None
    assert model.engine is not None
    answer = model.engine.live_client().read_embeds(file, model.info.hidden_size, model.max_model_len - 1)
    if "error" in answer:
        raise bad(param, f"{param} cannot be used: {answer['error']}.")
    rows, count = answer["embeds"], answer["tokens"]
    embeds = PromptEmbeds(rows=rows, digest=hashlib.sha256(rows).hexdigest(), spans=((0, count),))
    return Prompt([0] * count, embeds=embeds)


def chat_embeds_prompt(model: ModelView, text: str, parts: EmbedParts, *, add_special_tokens: bool) -> Prompt:
    """Return a conversation as its template has rendered it, with embeddings where their marks are.

    Raises:
        RequestError: a part that cannot be used, or more than the context holds.
    """
    texts, order = parts.cut(text)
    ids, places = _with_stand_ins(model, texts, add_special_tokens)
    out: list[int] = []
    rows, spans, at = [], [], 0
    for place, number in zip(places, order, strict=True):
        path, data = parts.found[number]
        one = embeds_prompt(model, data, f"{path}.data")
        assert one.embeds is not None
        out += ids[at:place]
        spans.append((len(out), len(one.token_ids)))
        out += one.token_ids
        rows.append(one.embeds.rows)
        at = place + 1
        if len(out) + len(ids) - at >= model.max_model_len:
            raise RequestError(
                f"This model's context is {model.max_model_len} tokens; messages do not fit with their embeddings.",
                param="messages",
                code="context_length_exceeded",
            )
    joined = b"".join(rows)
    embeds = PromptEmbeds(rows=joined, digest=hashlib.sha256(joined).hexdigest(), spans=tuple(spans))
    return Prompt([*out, *ids[at:]], "".join(texts), embeds)


def _with_stand_ins(model: ModelView, texts: list[str], add_special_tokens: bool) -> tuple[list[int], list[int]]:
    """Ids of the texts with a token between each two, and where that is: one that the texts do not have.

    A special token parts its neighbours, so that they are encoded as beside any other.
    """
    whole = "".join(texts)
    for id_, token in model.tokenizer.raw.get_added_tokens_decoder().items():
        bends = token.lstrip or token.rstrip or token.single_word or not token.special
        if bends or token.content in whole or id_ >= model.info.vocab_size:
            continue
        joined = token.content.join(texts)
        ids = list(model.encode_prompt(joined, add_special_tokens=add_special_tokens, param="messages").token_ids)
        places = [at for at, i in enumerate(ids) if i == id_]
        if len(places) == len(texts) - 1:  # else the tokenizer adds it at the ends as well
            return ids, places
    raise bad("messages", f"The tokenizer of {model.name!r} has no special token that could stand for embeddings.")


def prompt_bytes(prompt: Prompt) -> bytes:
    """Return a prompt's token ids as they travel: int32, with ``IN_PLACE`` where an embedding stands."""
    ids = array("i", prompt.token_ids)
    for start, count in prompt.embeds.spans if prompt.embeds is not None else ():
        ids[start : start + count] = array("i", [IN_PLACE]) * count
    return ids.tobytes()
