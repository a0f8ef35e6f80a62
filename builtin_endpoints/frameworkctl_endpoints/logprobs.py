"""Tokens and their logprobs in replies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from frameworkctl.interfaces import PromptLogprob, TokenLogprob


def shown(token: TokenLogprob, as_ids: bool | None) -> str:
    """Return a token's text, or with ``return_tokens_as_token_ids`` its id: different ids may have the same text."""
    return f"token_id:{token.token_id}" if as_ids else token.text


def prompt_logprobs_body(entries: Iterable[PromptLogprob] | None) -> list[dict[str, Any] | None] | None:
    """Return ``prompt_logprobs`` of a reply: null for the first token, then maps by token id, the token itself
    first.
    """
    if entries is None:
        return None
    out: list[dict[str, Any] | None] = [None]
    for entry in entries:
        ranked = {str(t.token_id): _entry(t, rank) for rank, t in enumerate(entry.top, start=1)}
        out.append({str(entry.token.token_id): _entry(entry.token, entry.rank), **ranked})
    return out


def _entry(token: TokenLogprob, rank: int) -> dict[str, Any]:
    return {"logprob": token.logprob, "rank": rank, "decoded_token": token.text}
