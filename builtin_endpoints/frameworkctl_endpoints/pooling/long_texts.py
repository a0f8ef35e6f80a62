"""Embeddings of texts longer than the context, piece by piece, where the operator allows it (``--pooler-config``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from frameworkctl.interfaces import PoolOutput, PoolParams, Prompt, RequestError, ServedModel, Work, bad

from frameworkctl_endpoints.scoring.similarity import matrix

from .fields import info_of, pool_item
from .inputs import VectorFields, conversations, encoded, padded, param_of, rendered, texts_or_ids
from .prefixes import prefix_of
from .vectors import load_numpy

if TYPE_CHECKING:
    import numpy as np

NEAR = 0.01  # how far from 1 the lengths of pieces' vectors may be for their mean to be normalised again


class InPieces(Work, kw_only=True):
    """``weights`` has, for each input, the tokens of each of its pieces; ``pool`` has all pieces in that order."""

    weights: list[list[int]]

    def whole(self, outputs: Sequence[PoolOutput]) -> list[PoolOutput]:
        """Return a vector for each input: the mean of its pieces', by their tokens, in float32."""
        found, at = [], 0
        for number, weights in enumerate(self.weights):
            pieces, at = outputs[at : at + len(weights)], at + len(weights)
            data = pieces[0].data if len(pieces) == 1 else _mean(matrix(pieces), weights).tobytes()
            found.append(PoolOutput(item=number, data=data, width=pieces[0].width))
        return found


def _mean(vectors: np.ndarray[Any, np.dtype[np.float32]], weights: list[int]) -> np.ndarray[Any, np.dtype[np.float32]]:
    import numpy as np

    mean = np.average(vectors, axis=0, weights=np.asarray(weights, np.float32)).astype("<f4")
    if (np.abs(np.linalg.norm(vectors, axis=1) - 1) < NEAR).all():
        mean /= np.linalg.norm(mean)
    return mean


def embedding_work(request: VectorFields, params: PoolParams, model: ServedModel) -> Work:
    """Return what is to be pooled for each input: one prompt, or a few that ``InPieces`` puts together.

    Raises RequestError naming the input that cannot be computed.
    """
    prefix, found, most = prefix_of(request.input_type, model), conversations(request), info_of(model).max_embed_len
    request = msgspec.structs.replace(
        request, truncate_prompt_tokens=embed_limit(request.truncate_prompt_tokens, model)
    )
    if found is not None and prefix:
        raise bad("input_type", "input_type is for texts: messages are taken as they are.")
    if info_of(model).chunked and found is None and request.truncate_prompt_tokens is None and params.task == "embed":
        load_numpy()
        if request.padding == "max_length":
            raise bad(
                "padding", "padding: this server embeds long texts in pieces; set truncate_prompt_tokens as well."
            )
        special = request.add_special_tokens is not False
        prompts, weights = in_pieces(texts_or_ids(request, prefix), model, add_special_tokens=special)
        return InPieces(pool=[pool_item(request, prompt, params) for prompt in prompts], weights=weights)
    prompts = (
        encoded(texts_or_ids(request, prefix), request, model) if found is None else rendered(found, request, model)
    )
    check_embed_lens(prompts, model, param_of(request))
    prompts = padded(prompts, request, model, most and min(most, model.max_model_len))
    return Work(pool=[pool_item(request, prompt, params) for prompt in prompts])


def in_pieces(
    inputs: Sequence[str | Sequence[int]], model: ServedModel, *, add_special_tokens: bool, param: str = "input"
) -> tuple[list[Prompt], list[list[int]]]:
    """Prompts that fit the context, and the weights of each input's. Every piece of a text has the special tokens.

    Raises RequestError where an input exceeds ``max_embed_len`` or holds ids outside the vocabulary.
    """
    info = info_of(model)
    front, back = special_tokens(model) if add_special_tokens else ([], [])
    prompts: list[Prompt] = []
    weights: list[list[int]] = []
    for number, given in enumerate(inputs):
        if isinstance(given, str):
            before, behind = front, back
            text = given.lower() if info.lower_case else given
            ids = model.tokenizer.encode(text, add_special_tokens=False)
        else:
            before, behind, ids = [], [], list(given)
        name = f"{param}[{number}]" if len(inputs) > 1 else param
        check_embed_len(len(before) + len(ids) + len(behind), model, name)
        room = model.max_model_len - len(before) - len(behind)
        own = [ids[i : i + room] for i in range(0, len(ids), room)] or [[]]
        prompts += model.encode_batch([[*before, *piece, *behind] for piece in own], param=name)
        weights.append([max(1, len(piece)) for piece in own])
    return prompts, weights


def embed_limit(truncate: int | None, model: ServedModel) -> int | None:
    """Return ``truncate_prompt_tokens``; where it is as many as may be (-1), no more than the operator allows."""
    most = info_of(model).max_embed_len
    return truncate if truncate != -1 or most is None else min(most, model.max_model_len)


def check_embed_lens(prompts: Sequence[Prompt], model: ServedModel, param: str) -> None:
    """Raise RequestError naming the prompt that is longer than the operator allows for embeddings."""
    for number, prompt in enumerate(prompts):
        check_embed_len(len(prompt.token_ids), model, f"{param}[{number}]" if len(prompts) > 1 else param)


def check_embed_len(tokens: int, model: ServedModel, param: str) -> None:
    """Raise RequestError if an input is longer than the operator allows for embeddings."""
    most = info_of(model).max_embed_len
    if most is not None and tokens > most:
        message = f"{param} has {tokens} tokens; this server embeds texts of at most {most}."
        raise RequestError(message, param=param, code="context_length_exceeded")


def special_tokens(model: ServedModel) -> tuple[list[int], list[int]]:
    """Return the ids that the tokenizer puts before and after a text."""
    encode = model.tokenizer.encode
    plain, full = encode("a", add_special_tokens=False), encode("a")
    at = next((i for i in range(len(full) - len(plain) + 1) if full[i : i + len(plain)] == plain), 0)
    return full[:at], full[at + len(plain) :]
