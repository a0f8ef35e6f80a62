"""Rotary parameters of a config.json, old or new form, as one complete mapping. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frameworkctl.interfaces import ConfigError

SUPPORTED_ROPE = ("default", "dynamic", "linear", "llama3", "longrope", "yarn")
_ALIASES = {"su": "longrope", "none": "default"}


def rope_parameters(
    raw: Mapping[str, Any], *, theta: float = 10000.0, partial: float = 1.0, layer_type: str | None = None
) -> dict[str, Any]:
    """Return ``rope_parameters``, or the older ``rope_theta`` with ``rope_scaling``; what is missing is filled in.

    ``theta`` and ``partial`` (the share of a head that is rotated) are the family's defaults. ``layer_type`` picks from
    a config that has one mapping per type of layer.

    Raises:
        ConfigError: a rope_type that has no implementation here, or one that lacks a number it needs.
    """
    given = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    if layer_type is not None and layer_type in given:
        given = given[layer_type]
    rope = dict(given)
    older = rope.pop("type", None)
    kind = str(rope.get("rope_type") or older or "default")
    rope["rope_type"] = kind = _ALIASES.get(kind, kind)
    if kind not in SUPPORTED_ROPE:
        raise ConfigError(f"rope_type {kind!r} is not supported (only {', '.join(SUPPORTED_ROPE)})")
    for name, default in (("rope_theta", theta), ("partial_rotary_factor", partial)):
        if rope.get(name) is None:
            rope[name] = raw.get(name, default)
    longest = raw.get("max_position_embeddings")
    original = rope.get("original_max_position_embeddings") or raw.get("original_max_position_embeddings") or longest
    if kind in ("llama3", "longrope", "yarn"):
        rope["original_max_position_embeddings"] = original
        if rope.get("factor") is None and longest and original:
            rope["factor"] = longest / original
    missing = [name for name in _NEEDS.get(kind, ()) if rope.get(name) is None]
    if missing:
        raise ConfigError(f"rope_type {kind!r} in config.json lacks {', '.join(missing)}")
    return rope


_NEEDS = {
    "linear": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
    "longrope": ("short_factor", "long_factor", "original_max_position_embeddings"),
    "yarn": ("factor", "original_max_position_embeddings"),
}
