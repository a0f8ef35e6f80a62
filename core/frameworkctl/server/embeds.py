"""Prompts that come as embeddings: taken from a request, read by the engine, and how they travel."""

from __future__ import annotations

import base64
import binascii
import hashlib
from array import array
from typing import TYPE_CHECKING

from ..errors import RequestError, bad
from ..interfaces.endpoint import Prompt, PromptEmbeds

if TYPE_CHECKING:
    from .served_model import LocalModel

IN_PLACE = -1  # the id that travels where an embedding stands


def embeds_prompt(model: LocalModel, data: str, param: str) -> Prompt:
    """As ``ServedModel.embeds_prompt``."""
    if not model.settings.enable_prompt_embeds:
        raise RequestError(
            f"{param} is not accepted by this server: its operator has to allow it (--enable-prompt-embeds).",
            param=param, code="prompt_embeds_not_enabled",
        )  # fmt: skip
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


def prompt_bytes(prompt: Prompt) -> bytes:
    """A prompt's token ids as they travel: int32, with ``IN_PLACE`` where an embedding stands."""
    ids = array("i", prompt.token_ids)
    for start, count in prompt.embeds.spans if prompt.embeds is not None else ():
        ids[start : start + count] = array("i", [IN_PLACE]) * count
    return ids.tobytes()
