"""Prompts as an engine takes them: token ids, and embeddings among them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class PromptEmbeds(msgspec.Struct, frozen=True):
    """Rows that stand in a prompt in place of tokens' embeddings, in the model's type: at ``spans`` (start, count)."""

    rows: bytes
    digest: str
    spans: tuple[tuple[int, int], ...]


class Prompt(msgspec.Struct, frozen=True):
    """Token ids to compute, and the text they were made from where there was one.

    Where ``embeds`` stand, an id means nothing.
    """

    token_ids: Sequence[int]
    text: str | None = None
    embeds: PromptEmbeds | None = None
