"""The norms of a decoder, by the switches of its config."""

from __future__ import annotations

from frameworkctl.interfaces.engine import ModelContext
from frameworkctl.layers import LayerNorm, RMSNorm

from .config import DecoderConfig

Norm = RMSNorm | LayerNorm
NO_WEIGHT_EPS = 1e-5  # OLMo's, which its files do not say


def make_norm(config: DecoderConfig, ctx: ModelContext, name: str, size: int) -> Norm:
    """Return a norm of hidden states."""
    c = config
    if c.norm == "rms":
        return RMSNorm(ctx, name, size, c.norm_eps, plus_one=c.norm_plus_one, late_cast=c.late_cast)
    if c.norm == "none":
        return LayerNorm(ctx, (), size, NO_WEIGHT_EPS)
    return LayerNorm(ctx, name, size, c.norm_eps, bias=c.norm == "layer", plus_one=c.norm_plus_one)


def make_head_norm(config: DecoderConfig, ctx: ModelContext, name: str, heads: int) -> Norm | None:
    """Return the norm of queries or keys, or None. ``heads`` are those of this rank.

    Raises:
        ValueError: it needs all heads, and ranks share them.
    """
    c, d = config, config.head_dim
    if c.qk_norm is None:
        return None
    if c.qk_norm != "head":
        whole_model_only(ctx, name)
    if c.qk_norm == "full":
        return RMSNorm(ctx, name, heads * d, c.norm_eps, plus_one=c.norm_plus_one, late_cast=c.late_cast)
    bias = c.qk_norm_kind == "layer"
    if c.qk_norm == "own_tensors":
        return LayerNorm(ctx, [name.format(head) for head in range(heads)], d, c.norm_eps, bias=bias)
    if c.qk_norm == "own":
        return LayerNorm(ctx, name, d, c.norm_eps, rows=heads, bias=bias)
    if c.qk_norm_kind == "rms":
        return RMSNorm(ctx, name, d, c.norm_eps, plus_one=c.norm_plus_one, late_cast=c.late_cast)
    return LayerNorm(ctx, name, d, c.norm_eps, bias=bias)


def whole_model_only(ctx: ModelContext, name: str) -> None:
    """Raise ValueError where several ranks would each see a part of what ``name`` normalises."""
    if ctx.world.size > 1:
        raise ValueError(f"{name} normalises over all heads, so this model cannot be split over ranks")
