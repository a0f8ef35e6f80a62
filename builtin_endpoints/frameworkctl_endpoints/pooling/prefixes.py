"""Prefixes that embedding models want before a text, by its purpose (sentence-transformers' prompts)."""

from __future__ import annotations

from collections.abc import Sequence

from frameworkctl.interfaces import ServedModel, bad

from .fields import info_of

# Cohere's input types and the names that models have for them. These are always accepted: Cohere's clients send one.
COHERE = {
    "search_query": ("query",),
    "search_document": ("document", "passage", "corpus"),
    "classification": ("classification",),
    "clustering": ("clustering",),
}
SIDES = {"query": COHERE["search_query"], "document": COHERE["search_document"]}


def prefix_of(input_type: str | None, model: ServedModel, param: str = "input_type") -> str:
    """Return the prefix by a name of the model's table, or one of Cohere's. Raises RequestError 400 listing the
    names.
    """
    table = info_of(model).prompts
    if input_type is None:
        return ""
    for name in (input_type, *COHERE.get(input_type, ())):
        if name in table:
            return table[name]
    if input_type in COHERE:
        return ""
    names = ", ".join(sorted({*table, *COHERE}))
    raise bad(param, f"{param} of {model.name!r} may be {names}, not {input_type!r:.80}.")


def side_prefix(side: str, model: ServedModel) -> str:
    """Return the prefix of either text of a score: ``query`` or ``document``."""
    table = info_of(model).prompts
    return next((table[name] for name in SIDES[side] if name in table), "")


def with_prefix(texts: Sequence[str], prefix: str) -> Sequence[str]:
    return [prefix + text for text in texts] if prefix else texts
